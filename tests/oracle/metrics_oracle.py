"""Oracle of src/metrics: what scikit-learn and scipy answer on small lists.

pip install numpy scipy scikit-learn
python tests/oracle/metrics_oracle.py > tests/fixtures/metrics/oracle.json

Made with scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6. Every float32 input is a multiple of 1/1024, exact in any type.
"""
import json
import sys

import numpy as np
from scipy import ndimage as ndi
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, roc_auc_score


def random_bytes(count, seed):
    state, out = seed, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 16)
    return np.array(out)


def calibration(bins):
    raw = random_bytes(400, bins)
    scores = raw[:200] % 1025 / 1024
    # Positives come half as often as the score says, so that the error is large.
    labels = (raw[200:] % 2048 / 1024 < scores).astype(int)
    scores[:4], labels[:4] = [0.0, 1.0, 0.25, 0.5], [1, 0, 1, 1]
    share, mean = calibration_curve(labels, scores, n_bins=bins, strategy="uniform")
    inside = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], scores)
    counts = np.bincount(inside, minlength=bins)
    filled = counts > 0
    gaps = np.abs(share - mean)
    return {
        "bins": bins,
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "counts": counts.tolist(),
        "mean_score": mean.tolist(),
        "share_positive": share.tolist(),
        "expected_error": float((counts[filled] * gaps).sum() / len(scores)),
        "maximum_error": float(gaps.max()),
        "auc": roc_auc_score(labels, scores),
    }


def ranking(seed, levels):
    raw = random_bytes(120, seed)
    scores = raw[:60] % levels / 64
    right = (raw[60:] % 3 == 0).astype(int)
    return {
        "scores": scores.tolist(),
        "right": right.tolist(),
        "average_precision": average_precision_score(right, scores),
    }


def lines():
    image = (random_bytes(23 * 31, 5) % 256 / 16).reshape(23, 31)
    out = []
    for sigma in (1.0, 2.0, 3.0):
        smooth = np.pad(ndi.gaussian_filter(image, sigma), 1, mode="symmetric")
        centre = smooth[1:-1, 1:-1]
        down = smooth[:-2, 1:-1] - 2 * centre + smooth[2:, 1:-1]
        across = smooth[1:-1, :-2] - 2 * centre + smooth[1:-1, 2:]
        mixed = (smooth[2:, 2:] - smooth[2:, :-2] - smooth[:-2, 2:] + smooth[:-2, :-2]) / 4
        hessian = np.stack([np.stack([down, mixed], -1), np.stack([mixed, across], -1)], -1)
        larger = np.linalg.eigvalsh(hessian)[..., -1].ravel()
        out.append({"sigma": sigma, "samples": [float(larger[i * 53 % larger.size]) for i in range(20)]})
    return {"shape": [23, 31], "image": image.ravel().tolist(), "strength": out}


def surfaces(shape, seed):
    """HD95 and average symmetric surface distance as MedPy takes surfaces, by brute force over all pairs of voxels."""
    masks = []
    for k in range(2):
        raw = random_bytes(int(np.prod(shape)), seed + k).reshape(shape)
        masks.append(ndi.uniform_filter(raw % 256 / 256, 3) > 0.53)
    points = []
    for mask in masks:
        cross = ndi.generate_binary_structure(3, 1)
        if shape[0] == 1:
            cross[[0, 2]] = False
            eroded = ndi.binary_erosion(mask[0], cross[1])[None]
        else:
            eroded = ndi.binary_erosion(mask, cross)
        points.append(np.argwhere(mask & ~eroded))
    pairs = np.linalg.norm(points[0][:, None] - points[1][None], axis=-1)
    both = np.concatenate([pairs.min(1), pairs.min(0)])
    return {
        "shape": shape,
        "masks": [np.packbits(mask.ravel()).tolist() for mask in masks],
        "hausdorff_95": float(np.percentile(both, 95)),
        "average": float(both.mean()),
    }


json.dump(
    {
        "calibration": [calibration(bins) for bins in (1, 4, 10, 15)],
        "rankings": [ranking(1, 6), ranking(2, 4096)],
        "lines": lines(),
        "surfaces": [surfaces([6, 9, 11], 3), surfaces([12, 10, 7], 20), surfaces([1, 16, 17], 5)],
    },
    sys.stdout,
    separators=(",", ":"),
)

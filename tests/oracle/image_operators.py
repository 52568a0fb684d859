"""Oracle of src/image: what OpenCV, scikit-image and scipy answer on small images that any language can regenerate.

pip install numpy scipy scikit-image opencv-python-headless
python tests/oracle/image_operators.py > tests/fixtures/image/operators.json

8-bit and boolean results are kept as a checksum over all pixels (h = 31 h + v mod 2^32), floats as samples.
Made with OpenCV 5.0.0, scikit-image 0.26.0, scipy 1.17.1, numpy 2.
"""
import json
import sys

import cv2
import numpy as np
from scipy import ndimage as ndi
from skimage import measure, metrics


def random_image(rows, cols, seed):
    state, out = seed, []
    for _ in range(rows * cols):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    return np.array(out, np.uint8).reshape(rows, cols)


def wave_image(rows, cols, seed):
    y, x = np.mgrid[0:rows, 0:cols]
    tri = lambda t: np.abs(t % 510 - 255)
    noise = random_image(rows, cols, seed).astype(int) // 16
    return np.clip((tri(17 * x + 5 * y + seed) + tri(2 * x + 23 * y + 5 * seed)) // 2 + noise - 8, 0, 255).astype(np.uint8)


def checksum(a):
    h = 0
    for v in np.asarray(a).ravel().tolist():
        h = (h * 31 + int(v)) % 2**32
    return h


def samples(a, n=12):
    flat = np.asarray(a, np.float64).ravel()
    return [float(flat[(i * 7919) % flat.size]) for i in range(n)]


def box(a, r):
    rows, cols = a.shape
    out = np.zeros(a.shape)
    for y in range(rows):
        for x in range(cols):
            out[y, x] = a[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1].mean()
    return out


def guided(guide, p, r, eps):
    mi, mp = box(guide, r), box(p, r)
    a = (box(guide * p, r) - mi * mp) / (box(guide * guide, r) - mi * mi + eps)
    b = mp - a * mi
    return box(a, r) * guide + box(b, r)


def case(kind, rows, cols, seed):
    image = (random_image if kind == "random" else wave_image)(rows, cols, seed)
    other = random_image(rows, cols, seed + 1)
    values = image.astype(np.float32) * np.float32(0.37) - np.float32(20)
    span = int(image.max()) - int(image.min())
    blur = cv2.GaussianBlur(image, (7, 7), 1.5)
    adaptive = cv2.adaptiveThreshold(blur, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 15, 3)
    otsu, binary = cv2.threshold(blur, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = binary > 0
    label8 = measure.label(mask, connectivity=2)
    label4 = measure.label(mask, connectivity=1)
    volume = np.stack([mask, np.roll(mask, 3, 0), np.roll(mask, 5, 1)])
    label26 = measure.label(volume, connectivity=3)
    label6 = measure.label(volume, connectivity=1)
    dark = other < 12
    dark[rows // 2, cols // 2] = True
    dark3 = np.stack([dark, np.zeros_like(dark), np.zeros_like(dark), np.roll(dark, 7, 1)])
    cross = ndi.generate_binary_structure(2, 1)
    square = ndi.generate_binary_structure(2, 2)
    pad = np.pad(mask, 8)
    stretched = (255 * (values.astype(np.float64) - values.min()) / (float(values.max()) - float(values.min()))).astype(np.uint8)
    low, high = np.percentile(values, [25, 90])
    weak = measure.label(values > low, connectivity=2)
    strong = np.isin(weak, np.unique(weak[values > high])) & (weak > 0)
    regions = measure.regionprops(label8)
    exact = {
        "image": image,
        "stretch": stretched,
        "clahe": cv2.createCLAHE(clipLimit=2, tileGridSize=(8, 8)).apply(image),
        "clahe_4_grid_5": cv2.createCLAHE(clipLimit=4, tileGridSize=(5, 5)).apply(image),
        "gaussian_1.25": ndi.gaussian_filter(image, 1.25),
        "gaussian_0.6": ndi.gaussian_filter(image, 0.6),
        "gaussian_9": ndi.gaussian_filter(image, 9),
        "blur_7_1.5": blur,
        "blur_5_1.1": cv2.GaussianBlur(image, (5, 5), 1.1),
        "blur_13_2.4": cv2.GaussianBlur(image, (13, 13), 2.4),
        "adaptive": adaptive > 0,
        "adaptive_7_-2": cv2.adaptiveThreshold(image, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 7, -2) > 0,
        "otsu": mask,
        "hysteresis": strong,
        "label8": label8,
        "label4": label4,
        "label26": label26,
        "label6": label6,
        "dilate_cross_2": ndi.binary_dilation(mask, cross, 2),
        "dilate_box_1": ndi.binary_dilation(mask, square, 1),
        "erode_cross_1": ndi.binary_erosion(mask, cross, 1),
        "erode_box_1_outside": ndi.binary_erosion(mask, square, 1, border_value=1),
        "close_cross_4": ndi.binary_closing(pad, cross, 4)[8:-8, 8:-8],
        "close_box_2": ndi.binary_closing(pad, square, 2)[8:-8, 8:-8],
        "linear_up": cv2.resize(image, (128, 80)),
        "linear_down": cv2.resize(image, (cols // 2, rows // 2)),
        "linear_odd": cv2.resize(image, (37, 111)),
        "nearest": cv2.resize(image, (71, 45), interpolation=cv2.INTER_NEAREST),
    }
    floats = {
        "gaussian_f32_0.7": ndi.gaussian_filter(values, 0.7),
        "gaussian_f32_20": ndi.gaussian_filter(values, 20),
        "linear_f32": cv2.resize(values, (96, 75)),
        "cubic_f32": cv2.resize(values, (96, 75), interpolation=cv2.INTER_CUBIC),
        "distance": ndi.distance_transform_edt(~dark),
        "distance_3d": ndi.distance_transform_edt(~dark3),
        "guided": guided(other.astype(float), values.astype(float), 3, 50.0),
        "local_std": np.sqrt(np.maximum(box(values.astype(float) ** 2, 4) - box(values.astype(float), 4) ** 2, 0)),
        "percentiles": np.percentile(values, [0, 1, 37.3, 50, 99, 100]),
        "perimeters": [r.perimeter for r in regions],
    }
    numbers = {
        "otsu": otsu,
        "contours": len(cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]),
        "contours_adaptive": len(cv2.findContours(adaptive, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]),
        "ssim": metrics.structural_similarity(image, other, data_range=span),
        "ssim_blur": metrics.structural_similarity(blur, image, data_range=span),
        "psnr": metrics.peak_signal_noise_ratio(image, other, data_range=span),
    }
    return {
        "kind": kind, "rows": rows, "cols": cols, "seed": seed,
        "exact": {k: checksum(v) for k, v in exact.items()},
        "floats": {k: samples(v) for k, v in floats.items()},
        "numbers": {k: float(v) for k, v in numbers.items()},
        "cubic": cv2.resize(image, (150, 99), interpolation=cv2.INTER_CUBIC).ravel()[::97].tolist(),
    }


cases = [case(k, r, c, s) for k, r, c, s in (
    ("random", 33, 50, 1), ("random", 61, 47, 2), ("random", 100, 96, 3), ("random", 64, 64, 4), ("random", 9, 70, 5),
    ("wave", 33, 50, 6), ("wave", 61, 47, 7), ("wave", 100, 96, 8), ("wave", 128, 128, 9))]
json.dump({"cases": cases}, sys.stdout, indent=1)

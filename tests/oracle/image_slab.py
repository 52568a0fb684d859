"""Oracle of the slab stages: enhancement, aggregation, z correction, written from the specification with OpenCV,
scikit-image and scipy.

pip install numpy scipy scikit-image opencv-python-headless
python tests/oracle/image_slab.py tests/fixtures/image

Writes enhance.txt, aggregate.json and zcorrect.json. Made with OpenCV 5.0.0, scikit-image 0.26.0, scipy 1.17.1.
"""
import json
import pathlib
import sys

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

out = pathlib.Path(sys.argv[1])


def stretch(a):
    a = a.astype(np.float64)
    return (255 * (a - a.min()) / (a.max() - a.min())).astype(np.uint8)


# Enhancement: row 17 of the golden image, without and with CLAHE.
y, x = np.mgrid[0:64, 0:64]
slice_ = ((3 * x * x + 5 * y * y + 7 * x * y + 11) % 251).astype(np.float32) * np.float32(0.1) - np.float32(7)
plain = stretch(gaussian_filter(stretch(slice_), 1.25))
clahe = cv2.createCLAHE(clipLimit=2, tileGridSize=(8, 8)).apply(stretch(slice_))
paper = stretch(gaussian_filter(clahe, 1.25))
out.joinpath("enhance.txt").write_text("\n".join(" ".join(map(str, a[17])) for a in (plain, paper)) + "\n")


# Aggregation.
def invert(a, full):
    return full - a if (a > 100).mean() < 0.4 else a


def unit(a):
    a = a.astype(np.float32)
    return (a - a.min()) * np.float32(255) / (a.max() - a.min())


def diversity(a):
    a = a.astype(np.float64)
    return np.std([np.std(a[i : i + 4, j : j + 4]) for i in range(0, 61, 2) for j in range(0, 61, 2)])


def contours(a):
    _, mask = cv2.threshold(unit(a).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return len(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0])


def aggregate(maps):
    maps = [invert(unit(m), np.float32(255)) for m in maps[:10]]
    starts = [m for m in maps if contours(m) <= 10]
    if not starts:
        return None, 0
    base = max(starts, key=diversity)
    rest = [m for m in maps if m is not base]
    merges = 0
    for _ in range(10):
        best, best_psnr = None, -np.inf
        span = float(base.max() - base.min())
        for m in rest:
            psnr = peak_signal_noise_ratio(base, m, data_range=span)
            if psnr <= best_psnr or structural_similarity(base, m, data_range=span) <= 0.35:
                continue
            merged = unit(base + m)
            if contours(merged) <= 15 and diversity(merged) >= diversity(base):
                best, best_psnr, best_merged = m, psnr, merged
        if best is None:
            break
        rest = [m for m in rest if m is not best]
        base = best_merged
        merges += 1
    big = cv2.resize(base.astype(np.uint8), (512, 512), interpolation=cv2.INTER_CUBIC)
    return invert(big, 255), merges


def synthetic(seed, count, side):
    state = seed

    def draw(below):
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 16) % below

    bumps = [(draw(side), draw(side), 6 + draw(14), 20 + draw(60)) for _ in range(6)]
    y, x = np.mgrid[0:side, 0:side]
    maps = []
    for _ in range(count):
        weights = [draw(7) - 2 for _ in bumps]
        tilt = draw(5) - 2
        noise = draw(1000)
        total = np.zeros((side, side), np.int64)
        for (by, bx, radius, height), w in zip(bumps, weights):
            d = (y - by) ** 2 + (x - bx) ** 2
            # Integer division towards zero, as in Rust.
            total += (np.sign(w) * (abs(w) * height * np.maximum(radius * radius - d, 0) // (radius * radius))).astype(np.int64)
        maps.append((total * 4 + tilt * (x + y) + (x * 31 + y * 17 + x * y * 3 + noise) % 13).astype(np.float32))
    return maps


cases = []
for seed in range(1, 9):
    canvas, merges = aggregate(synthetic(seed, 12, 64))
    cases.append({"seed": seed, "sum": None if canvas is None else int(canvas.sum()), "merges": merges})
out.joinpath("aggregate.json").write_text(json.dumps(cases) + "\n")


# z correction on three canvases: flicker in the middle, agreement, disagreement.
def corrected(p, c, n):
    r = float(int(p.max()) - int(p.min()))
    s = lambda a, b: structural_similarity(a, b, data_range=r)
    p64, c64, n64 = (a.astype(np.float64) for a in (p, c, n))
    if s(p, n) > 0.9 and s(p, c) < 0.8 and s(n, c) < 0.8:
        return stretch(0.5 * p64 + 0.5 * n64), True
    return stretch(c64 + 0.5 * p64 + 0.5 * n64), False


y, x = np.mgrid[0:48, 0:48]
wave = lambda a, b, s: ((np.abs((a * x + b * y + s) % 510 - 255)) // 1).astype(np.uint8)
stacks = {"flicker": (wave(9, 5, 0), wave(3, 31, 7), wave(9, 5, 2)), "agree": (wave(9, 5, 0), wave(9, 5, 1), wave(9, 5, 2)),
          "differ": (wave(9, 5, 0), wave(3, 31, 7), wave(29, 5, 2))}
answer = {}
for name, (p, c, n) in stacks.items():
    image, replaced = corrected(p, c, n)
    answer[name] = {"row": image[20].tolist(), "sum": int(image.sum()), "replaced": replaced}
out.joinpath("zcorrect.json").write_text(json.dumps(answer) + "\n")

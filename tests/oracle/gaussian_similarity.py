"""Writes tests/fixtures/image/gaussian_similarity.json: SSIM with the Gaussian window and at five scales, in torch as published,
for src/image/gaussian_similarity.rs.

    python tests/oracle/gaussian_similarity.py tests/fixtures/image
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def picture(rows, cols, shift):
    r, c = np.mgrid[0:rows, 0:cols]
    wave = (r * r // 9 + 3 * c + r * c // 7 + 31 * shift * ((r // 16 + c // 16) % 2)) % 256
    return torch.from_numpy((wave.astype(np.float32) / np.float32(255)).astype(np.float64))[None, None]


def parts(a, b):
    x = torch.arange(11, dtype=torch.float64) - 5
    g = torch.exp(-x**2 / (2 * 1.5**2))
    window = (g[:, None] * g[None] / g.sum() ** 2)[None, None]
    mean = lambda image: F.conv2d(image, window)
    ua, ub = mean(a), mean(b)
    va, vb, vab = mean(a * a) - ua**2, mean(b * b) - ub**2, mean(a * b) - ua * ub
    cs = (2 * vab + 0.03**2) / (va + vb + 0.03**2)
    return ((2 * ua * ub + 0.01**2) / (ua**2 + ub**2 + 0.01**2) * cs).mean(), cs.mean()


def multiscale(a, b):
    if min(a.shape[2:]) < 176:
        return None
    product = 1.0
    for i, weight in enumerate(WEIGHTS):
        whole, cs = parts(a, b)
        product = product * torch.relu(whole if i == 4 else cs) ** weight
        a, b = (F.avg_pool2d(image, 2, padding=[s % 2 for s in image.shape[2:]]) for image in (a, b))
    return product.item()


answers = []
for rows, cols, shift in [(40, 33, 1), (180, 193, 1), (200, 256, 2), (176, 177, 0)]:
    a, b = picture(rows, cols, 0), picture(rows, cols, shift)
    answers.append({"picture": [rows, cols, shift], "ssim": parts(a, b)[0].item(), "ms_ssim": multiscale(a, b)})
Path(sys.argv[1], "gaussian_similarity.json").write_text(json.dumps(answers, indent=1) + "\n")

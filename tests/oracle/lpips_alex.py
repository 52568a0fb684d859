"""Writes tests/fixtures/sdseg/lpips.json: LPIPS on AlexNet as published, restated in torch on hashed weights, for tests/sdseg.

    python tests/oracle/lpips_alex.py
"""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from hashed import uniform

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "sdseg"
LAYERS = [("net.slice1.0", 3, 64, 11, 4, 2), ("net.slice2.3", 64, 192, 5, 1, 2), ("net.slice3.6", 192, 384, 3, 1, 1),
          ("net.slice4.8", 384, 256, 3, 1, 1), ("net.slice5.10", 256, 256, 3, 1, 1)]


def hashed(name, *shape):
    return torch.from_numpy(uniform("lpips/" + name, int(np.prod(shape)))).reshape(shape)


def picture(name, rows, cols):
    return (hashed(name, rows, cols) + 1) / 2


def distance(a, b):
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    xs = [((2 * p - 1).expand(1, 3, -1, -1) - shift[:, None, None]) / scale[:, None, None] for p in (a, b)]
    total = 0
    for n, (name, i, o, k, stride, padding) in enumerate(LAYERS):
        weight = hashed(f"{name}.weight", o, i, k, k) * np.float32((3 / (i * k * k)) ** 0.5)
        bias, lin = hashed(f"{name}.bias", o) * np.float32(0.2), hashed(f"lin{n}.model.1.weight", 1, o, 1, 1).abs()
        if n in (1, 2):
            xs = [F.max_pool2d(x, 3, 2) for x in xs]
        xs = [F.relu(F.conv2d(x, weight, bias, stride, padding)) for x in xs]
        unit = [x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for x in xs]
        total += F.conv2d((unit[0] - unit[1]) ** 2, lin).mean().item()
    return total


answers = [{"rows": rows, "cols": cols, "distance": distance(picture("a", rows, cols), picture("b", rows, cols))}
           for rows, cols in [(64, 64), (96, 71)]]
(FOLDER / "lpips.json").write_text(json.dumps(answers) + "\n")

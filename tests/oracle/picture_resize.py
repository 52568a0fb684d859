"""Writes tests/fixtures/image/picture_resize.json: pictures resized by Pillow, for src/image/picture_resize.rs.

    python tests/oracle/picture_resize.py tests/fixtures/image

Made with Pillow 10.4, as of the time of the networks; 13 goes down before across for some shapes, which moves levels by one.
"""
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CASES = [((40, 61), (17, 28)), ((23, 9), (10, 9)), ((9, 31), (20, 12)), ((12, 12), (25, 31)), ((64, 5), (7, 3)), ((8, 8), (8, 8))]


def picture(rows, cols):
    r, c = np.mgrid[0:rows, 0:cols]
    return ((7 * r * r + 13 * c + 5 * r * c + c * c // 3) % 256).astype(np.uint8)


answers = []
for source, target in CASES:
    image = Image.fromarray(picture(*source))
    sized = lambda how: np.asarray(image.resize(target[::-1], how)).ravel().tolist()
    answers.append({"from": source, "to": target, "bilinear": sized(Image.BILINEAR), "nearest": sized(Image.NEAREST)})
Path(sys.argv[1], "picture_resize.json").write_text(json.dumps(answers, separators=(",", ":")) + "\n")

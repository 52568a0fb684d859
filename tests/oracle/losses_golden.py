"""Losses of MONAI and PyTorch, for tests/training/losses.rs: prints the numbers that stand there.

Needs: monai 1.6, torch 2.11, numpy.
"""
import numpy as np
import torch
import torch.nn.functional as F
from monai.losses import DiceCELoss, DiceLoss, FocalLoss, MaskedDiceLoss

from hashed import uniform


def hashed(name, *shape):
    return torch.from_numpy(uniform("loss/" + name, int(np.prod(shape)))).reshape(shape)


logits = 3 * hashed("logits", 2, 3, 4, 5, 6)
many = (hashed("many", 2, 3, 4, 5, 6) > 0.4).float()
one = ((hashed("one", 2, 1, 4, 5, 6) + 1) * 1.5).long().clamp(0, 2)
hot = F.one_hot(one[:, 0], 3).movedim(-1, 1).float()
mask = (hashed("mask", 2, 1, 4, 5, 6) > 0).float()
weight = hashed("weight", 2, 1, 4, 5, 6).abs()

bce = F.binary_cross_entropy_with_logits(logits, many, reduction="none")
ce = F.cross_entropy(logits, one[:, 0], reduction="none")[:, None]
smooth = F.binary_cross_entropy_with_logits(logits, 0.9 * many + 0.05)
numbers = {
    "dice sigmoid": DiceLoss(sigmoid=True)(logits, many),
    "dice sigmoid batch": DiceLoss(sigmoid=True, batch=True)(logits, many),
    "dice softmax": DiceLoss(softmax=True)(logits, hot),
    "dice softmax foreground": DiceLoss(softmax=True, include_background=False)(logits, hot),
    "dice picker": DiceLoss(sigmoid=True, batch=True, smooth_nr=1, smooth_dr=1)(logits, many),
    "dice squared": DiceLoss(sigmoid=True, batch=True, squared_pred=True)(logits, many),
    "dice masked": MaskedDiceLoss(sigmoid=True)(logits, many, mask),
    "dice and bce": DiceLoss(sigmoid=True)(logits, many) + bce.mean(),
    "dice and ce": DiceCELoss(softmax=True)(logits, hot),
    "dice and ce halves": DiceCELoss(softmax=True, lambda_dice=0.5, lambda_ce=0.5)(logits, hot),
    "dice and ce smoothed": DiceCELoss(softmax=True, label_smoothing=0.1)(logits, hot),
    "bce smoothed": smooth,
    "bce weighted": (weight * bce).sum() / (3 * weight.sum()),
    "ce weighted": (weight * ce).sum() / weight.sum(),
    "focal sigmoid": FocalLoss(gamma=2.0)(logits, many),
    "focal sigmoid alpha": FocalLoss(gamma=1.5, alpha=0.25)(logits, many),
    "focal softmax": FocalLoss(gamma=2.0, use_softmax=True)(logits, hot),
    "focal softmax alpha": FocalLoss(gamma=2.0, alpha=0.75, use_softmax=True)(logits, hot),
}
for name, value in numbers.items():
    print(f'    ("{name}", {float(value):.7f}),')

"""Optimisers and learning-rate schedules of PyTorch, for tests/training/optimisers.rs: prints the numbers that stand there.

Needs: torch 2.11, numpy.
"""
import numpy as np
import torch
from torch.optim import lr_scheduler

from hashed import uniform

STEPS = 6


def hashed(name, count):
    return torch.from_numpy(uniform("optimiser/" + name, count))


def final(make):
    parameters = [hashed("weight", 4).clone().requires_grad_(), hashed("bias", 2).clone().requires_grad_()]
    optimiser = make(parameters)
    for step in range(STEPS):
        for name, parameter in zip(("weight", "bias"), parameters):
            parameter.grad = hashed(f"{name}/{step}", parameter.numel()).clone()
        optimiser.step()
    return [float(v) for p in parameters for v in p.detach()]


rules = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.99, weight_decay=3e-2, nesterov=True),
    "no momentum": lambda p: torch.optim.SGD(p, lr=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.9, 0.99), weight_decay=0.1),
}
for name, make in rules.items():
    print(f'    ("{name}", [{", ".join(f"{v:.7f}" for v in final(make))}]),')


def rates(make, steps, scores=None):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimiser)
    found = []
    for step in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step(*([scores[step]] if scores else []))
    return found


scores = [0.1, 0.2, 0.2, 0.20001, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
curves = {
    "step": rates(lambda o: lr_scheduler.StepLR(o, 3, 0.1), 12),
    "poly": rates(lambda o: lr_scheduler.PolynomialLR(o, 12, 0.9), 12),
    "one-cycle": rates(
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, total_steps=12, pct_start=0.3, div_factor=30, final_div_factor=100, cycle_momentum=False), 12),
    "plateau": rates(lambda o: lr_scheduler.ReduceLROnPlateau(o, "max", factor=0.1, patience=2), 12, scores),
}
for name, values in curves.items():
    print(f'    ("{name}", [{", ".join(f"{v:.7g}" for v in values)}]),')

"""tomocut predict beside MONAI's sliding_window_inference, and a training step beside PyTorch's: the same network, one run.

pip install numpy torch monai safetensors mrcfile
cargo build --release --bin tomocut-measure-network
cargo xtask demo                                    # builds the program: target/release/tomocut
python benches/predict_peers.py PROGRAM MEASURE MODEL TOMOGRAM OUT [LABELS]

PROGRAM is tomocut, MEASURE the program tomocut-measure-network, MODEL a compact network (safetensors, for
instance models/segmentation.safetensors), TOMOGRAM an MRC file, OUT a scratch folder (in memory, as under /dev/shm: MONAI's
answer is not written at all). LABELS, an MRC file of the tomogram's truth (0 background), gives the Dice of what both find. MONAI runs with windows of 160 voxels
(MemBrain-seg's; smaller ones are slower), overlap 0.5, Gaussian weights. Times are whole processes but for Python's imports,
which are left out; of the engine's, which are short, the median of several.
"""
import json
import os
import resource
import subprocess
import sys
import time

import mrcfile
import numpy as np
import torch
import torch.nn.functional as F
from monai.inferers import sliding_window_inference
from safetensors import safe_open
from torch import nn

THREADS = 2
RUNS = 3
WINDOW = 160
torch.set_num_threads(THREADS)


def gather(x):
    b, c, z, y, w = x.shape
    x = x.reshape(b, c, z // 2, 2, y // 2, 2, w // 2, 2).permute(0, 2, 4, 6, 1, 3, 5, 7)
    return x.reshape(b, z // 2, y // 2, w // 2, 8 * c).permute(0, 4, 1, 2, 3)


def spread(x):
    b, c, z, y, w = x.shape
    x = x.permute(0, 2, 3, 4, 1).reshape(b, z, y, w, 2, 2, 2, c // 8).permute(0, 1, 4, 2, 5, 3, 6, 7)
    return x.reshape(b, 2 * z, 2 * y, 2 * w, c // 8).permute(0, 4, 1, 2, 3)


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first, self.second = nn.Conv3d(n, n, 3, padding=1), nn.Conv3d(n, n, 1)
        self.scale = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return x + self.scale.view(-1, 1, 1, 1) * self.second(F.relu(self.first(F.relu(x))))


class Level(nn.Module):
    def __init__(self, n, down, up, coarser):
        super().__init__()
        self.down = nn.ModuleList(Block(n) for _ in range(down))
        self.up = nn.ModuleList(Block(n) for _ in range(up))
        if coarser:
            self.to_coarser, self.from_coarser = nn.Conv3d(n, coarser, 2, 2), nn.Conv3d(coarser, 8 * n, 1)


class Compact(nn.Module):
    """src/networks/compact in PyTorch, channels last as there."""

    def __init__(self, widths, blocks_down, blocks_up, outputs, **_):
        super().__init__()
        self.stem = nn.Conv3d(8, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(
            Level(n, blocks_down[i], (blocks_up + [0])[i], (widths + [0])[i + 1]) for i, n in enumerate(widths)
        )
        self.head = nn.Conv3d(widths[0], 8 * len(outputs), 1)

    def level(self, i, x):
        level = self.levels[i]
        for block in level.down:
            x = block(x)
        if i + 1 < len(self.levels):
            x = x + spread(level.from_coarser(self.level(i + 1, level.to_coarser(x))))
        for block in level.up:
            x = block(x)
        return x

    def forward(self, x):
        return spread(self.head(F.relu(self.level(0, self.stem(gather(x))))))


def load(path):
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["tomocut-network"])
        net = Compact(**about)
        net.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})
    return net.to(memory_format=torch.channels_last_3d), about


def ours(program, model, tomogram, out):
    command = [program, "predict", tomogram, "--model", model, "--out", out, "--again", "--quiet", "--set", "rescale=false",
               "--probabilities", "--memory", "4G", "--threads", str(THREADS)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, status
    return time.perf_counter() - start, used.ru_maxrss / 1024


def monai(net, tomogram, side):
    start = time.perf_counter()
    data = mrcfile.read(tomogram).astype(np.float32)
    data = (data - data.mean()) / data.std()
    with torch.inference_mode():
        found = sliding_window_inference(torch.from_numpy(data)[None, None], (side,) * 3, 1, net, overlap=0.5, mode="gaussian")
        found = found[0].sigmoid().half().numpy()
    return time.perf_counter() - start, found


def dice(structure, truth):
    """At the threshold of the largest expected Dice, as no user knows the truth."""
    p = np.sort(structure.astype(np.float32).ravel())[::-1]
    expected = 2 * np.cumsum(p, dtype=np.float64) / (np.arange(1, p.size + 1) + p.sum(dtype=np.float64))
    mask = structure >= p[expected.argmax()]
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def torch_step(net, window, batch, runs=9):
    x = torch.randn(batch, 1, *window)
    truth = (torch.randn(batch, net.head.out_channels // 8, *window) > 1).float()
    average = [p.detach().clone() for p in net.parameters()]
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, foreach=True)
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        logits = net(x)
        p = logits.sigmoid()
        axes = (0, 2, 3, 4)
        overlap = 1 - ((2 * (p * truth).sum(axes) + 1e-5) / (p.sum(axes) + truth.sum(axes) + 1e-5)).mean()
        (overlap + F.binary_cross_entropy_with_logits(logits, truth)).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, list(net.parameters()), 0.01)
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[runs // 2]


def main():
    program, measure, model, tomogram, out = sys.argv[1:6]
    truth = mrcfile.read(sys.argv[6]) > 0 if len(sys.argv) > 6 else None
    net, about = load(model)
    outputs = [name for name in about["outputs"] if name not in ("centre", "background")]
    with mrcfile.mmap(tomogram, permissive=True) as file:
        shape = file.data.shape
    voxels = float(np.prod(shape))
    print(f"{tomogram}: {' x '.join(map(str, shape))} voxels (z, y, x), {THREADS} threads, load {os.getloadavg()[0]:.1f}")

    told = ["--model", model, "--threads", str(THREADS), "--runs", "9"]
    bare = json.loads(subprocess.run([measure, *told], check=True, capture_output=True, text=True).stdout)
    print(f"bare network on a resident tile   {bare['voxels_per_s'] / 1e6:6.3f} million voxels/s")
    began = time.perf_counter()
    subprocess.run([program, "info", "--header", tomogram], check=True, capture_output=True)
    loading = time.perf_counter() - began
    runs = sorted(ours(program, model, tomogram, out) for _ in range(RUNS))
    seconds, peak = runs[RUNS // 2]
    print(f"tomocut predict                   {voxels / seconds / 1e6:6.3f} million voxels/s, {seconds:.1f} s ({runs[0][0]:.1f} to {runs[-1][0]:.1f}), peak {peak:.0f} MiB, "
          f"{voxels / seconds / bare['voxels_per_s']:.2f} of the bare network, "
          f"{voxels / (seconds - loading) / bare['voxels_per_s']:.2f} without the {loading:.2f} s in which libtorch loads")
    stem = os.path.join(out, os.path.basename(tomogram).split(".")[0])
    found = np.stack([mrcfile.read(f"{stem}_{name}.mrc") for name in outputs])
    mine = None if truth is None else dice(found.astype(np.float32).sum(0).clip(max=1), truth)
    taken, probabilities = monai(net.eval(), tomogram, WINDOW)
    more = ""
    if truth is not None:
        chosen = [about["outputs"].index(name) for name in outputs]
        more = f", Dice {dice(probabilities[chosen].astype(np.float32).sum(0).clip(max=1), truth):.4f}"
    print(f"MONAI, windows of {WINDOW}             {voxels / taken / 1e6:6.3f} million voxels/s, {taken:.1f} s{more}")
    print(f"tomocut predict is {taken / seconds:.1f} times as fast" + ("" if mine is None else f", Dice {mine:.4f}"))
    print(f"peak of this Python process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")

    step = torch_step(net.train(), bare["window"], bare["batch"])
    print(f"training step, {bare['batch']} windows of {bare['window']}: engine {bare['step_s']:.3f} s, PyTorch {step:.3f} s, "
          f"ratio {bare['step_s'] / step:.2f}")


if __name__ == "__main__":
    main()

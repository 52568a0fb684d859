"""Writes tests/fixtures/diffusion/walk_and_cut.json: "Unsupervised Segmentation by Diffusing, Walking and Cutting" from the
image to its labels, with diffusers for the networks and numpy and scipy for the rest, on the small Stable Diffusion 1 of
diffusers_networks.py.

    python tests/oracle/diffusers_walk_and_cut.py tests/fixtures/diffusion

Made with diffusers 0.42.1, torch 2.11.0, scipy 1.17.1. The image has 64 x 64 pixels, hence 8 x 8 tokens: the attention of
8, 4 and 2 tokens a side stands for that of 64, 32 and 16 at 512 pixels.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMInverseScheduler
from scipy.linalg import eigh

import diffusers_networks as nets

SIDE, TOKENS = 64, 8
SEGMENTS = 5


def image():
    """Grey levels in 0..1: a ground, a dark block, and noise."""
    noise = nets.uniform("walk_and_cut/image", SIDE * SIDE).reshape(SIDE, SIDE)
    block = np.zeros((SIDE, SIDE), np.float32)
    block[16:40, 24:56] = 0.5
    return np.float32(0.75) - block + np.float32(0.125) * noise


@torch.no_grad()
def attention():
    """[(queries and keys, [heads, N, d])] of middle and decoder in the pass after ten of fifty steps of DDIM inversion."""
    unet, vae, text = nets.build("sd1")
    context = text(nets.prompt_ids("sd1")).last_hidden_state
    pixels = torch.from_numpy(image())[None, None].expand(-1, 3, -1, -1)
    x = vae.encode(pixels * 2 - 1).latent_dist.mean * vae.config.scaling_factor
    inverse = DDIMInverseScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                                   set_alpha_to_one=False, steps_offset=1, prediction_type="epsilon")
    inverse.set_timesteps(50)
    for t in inverse.timesteps[:10]:
        x = inverse.step(unet(x, t, encoder_hidden_states=context).sample, int(t), x).prev_sample
    taps = nets.tap(unet)
    unet(x, 181, encoder_hidden_states=context)
    return [(q.double(), k.double()) for name, q, k in taps if not name.startswith("down_blocks")]


def walk(layers, sides=(8, 4, 2)):
    """DiffSeg's aggregation: keys enlarged, queries repeated, a resolution's weight its side over the sum of sides."""
    total = 0
    for side in sides:
        maps = [(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1).mean(0)
                for q, k in layers if q.shape[1] == side * side]
        mean = sum(maps) / len(maps)
        keys = F.interpolate(mean.reshape(-1, 1, side, side), size=TOKENS, mode="bilinear")[:, 0]
        keys = keys / keys.sum((1, 2), keepdim=True)
        ratio = TOKENS // side
        both = keys.reshape(side, side, TOKENS, TOKENS).repeat_interleave(ratio, 0).repeat_interleave(ratio, 1)
        total = total + side / sum(sides) * both.reshape(TOKENS**2, TOKENS**2)
    return total.numpy()


def best_cut(a):
    """Lowest NCut over all splits along the second generalised eigenvector, and its two sides."""
    d = a.sum(1)
    vector = eigh(np.diag(d) - a, np.diag(d), subset_by_index=[1, 1])[1][:, 0]
    order = np.argsort(vector)
    costs = []
    for k in range(1, len(a)):
        one, two = order[:k], order[k:]
        cut = a[np.ix_(one, two)].sum()
        costs.append(cut / d[one].sum() + cut / d[two].sum())
    k = int(np.argmin(costs)) + 1
    return min(costs), order[:k], order[k:]


def segments(p, count):
    """Labels of so many segments, the cheapest cut of any segment made first; the first cut's cost and MAN-C's bound."""
    a = p @ p.T
    leaves = [(*best_cut(a), np.arange(len(p)))]
    root = leaves[0][0]
    bound = (a.sum() - np.trace(a)) / 2 / (len(p) - 1)
    while len(leaves) < count:
        cheapest = leaves.pop(int(np.argmin([leaf[0] for leaf in leaves])))
        for side in cheapest[1:3]:
            nodes = cheapest[3][side]
            single = (np.inf, None, None, nodes)
            leaves.append((*best_cut(a[np.ix_(nodes, nodes)]), nodes) if len(nodes) > 1 else single)
    labels = np.zeros(len(p), int)
    for number, leaf in enumerate(sorted(leaves, key=lambda leaf: leaf[3].min())):
        labels[leaf[3]] = number
    return labels, root, bound


def pixels(p, labels):
    """Mean rows, features enlarged to the image, argmax of cosines; and how clearly the best one is best."""
    means = np.stack([p[labels == k].mean(0) for k in range(labels.max() + 1)])
    planes = torch.from_numpy(p.T.reshape(1, -1, TOKENS, TOKENS))
    enlarged = F.interpolate(planes, size=SIDE, mode="bilinear")[0].reshape(len(p), -1).numpy()
    cosines = (means / np.linalg.norm(means, axis=1, keepdims=True)) @ (enlarged / np.linalg.norm(enlarged, axis=0))
    best = np.sort(cosines, axis=0)
    margin = best[-1] - best[-2] if len(best) > 1 else np.ones(best.shape[1])
    return cosines.argmax(0), margin


def main(folder):
    p = walk(attention())
    assert np.allclose(p.sum(1), 1)
    labels, cost, bound = segments(p, SEGMENTS)
    of_pixels, margin = pixels(p, labels)
    print("NCut", cost, "bound", bound, "tokens", np.bincount(labels), "pixels", np.bincount(of_pixels),
          "least margin", margin.min())
    answer = {"segments": SEGMENTS, "ncut": cost, "bound": bound, "labels": "".join(map(str, of_pixels))}
    (folder / "walk_and_cut.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

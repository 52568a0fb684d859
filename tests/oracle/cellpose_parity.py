"""What cellpose 3.1 computes, for tests/cellpose.rs: network, normalisation, flows and masks.

Writes to tests/fixtures/cellpose:
  narrow.safetensors    a CPnet of an eighth of the width, trained here for a minute on drawn discs beside drawn
                        membranes (with --train; else the file is read), float16, the 313 entries of a cellpose state dict
  parity.safetensors    full/..   output of a CPnet of full width whose weights are hashes of their names
                        image/..  a drawn image through CellposeModel.eval with the narrow network
                        drawn/..  masks from flows of drawn shapes, some of which must be dropped, joined or filled

Needs: cellpose 3.1 (seen: 3.1.1.3), torch, safetensors, numpy 2.
"""
import argparse
from pathlib import Path

import fastremap
import numpy as np
import torch
from cellpose import core, dynamics, models, transforms, utils
from cellpose.resnet_torch import CPnet
from safetensors.torch import load_file, save_file

from hashed import uniform

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "cellpose"
NARROW = [2, 4, 8, 16, 32]
FULL = [2, 32, 64, 128, 256]


class Gpu(str):
    """A device that torch takes for the CPU and cellpose for a GPU: its GPU code, without one."""
    type = "cuda"


DEVICES = {"cpu": torch.device("cpu"), "gpu": Gpu("cpu")}


def network(nbase):
    return CPnet(nbase, 3, 3, mkldnn=False, max_pool=True, diam_mean=30.0)


# ---- a network of full width whose weights need no file

def hashed_weight(name, shape):
    u = uniform(f"cpnet/{name}", int(np.prod(shape)))
    if len(shape) >= 2:
        u = u * np.float32(np.sqrt(3.0 / np.prod(shape[1:])))
    elif name.endswith("running_var"):
        u = np.float32(1) + np.float32(0.5) * u
    elif name.endswith("weight"):
        u = np.float32(1) + np.float32(0.2) * u
    else:
        u = np.float32(0.2) * u
    return torch.from_numpy(u.reshape(shape))


@torch.no_grad()
def full_width():
    net = network(FULL).eval()
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point() and not name.startswith("diam"):
            tensor.copy_(hashed_weight(name, tuple(tensor.shape)))
    image = torch.from_numpy(uniform("cpnet/image", 2 * 2 * 48 * 64)).reshape(2, 2, 48, 64)
    maps, style = net(image)[:2]
    return {"full/maps": maps.half(), "full/scale": maps.abs().max().reshape(1), "full/corner": maps[:, :, 8:24, 40:56].clone(),
            "full/style": style}


# ---- the narrow network

def draw(rng, shape, diameter, discs, arcs):
    """Bright discs, numbered, and bright membranes, which are no instances; noise on top."""
    rows, cols = shape
    y, x = np.mgrid[:rows, :cols].astype(np.float32)
    image, labels = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
    for _ in range(arcs):
        radius = rng.uniform(2, 8) * diameter
        angle = rng.uniform(0, 2 * np.pi)
        point = rng.uniform(0, 1, 2) * shape
        cy, cx = point[0] + radius * np.sin(angle), point[1] + radius * np.cos(angle)
        near = np.abs(np.hypot(y - cy, x - cx) - radius) < rng.uniform(0.12, 0.22) * diameter
        image[near] = rng.uniform(0.7, 1.2)
    for _ in range(discs):
        d = diameter * rng.uniform(0.8, 1.25)
        cy, cx = rng.uniform(0, rows), rng.uniform(0, cols)
        inside = np.hypot((y - cy) * rng.uniform(0.9, 1.1), x - cx) < d / 2
        if labels[inside].any():
            continue
        labels[inside] = labels.max() + 1
        image[inside] = rng.uniform(0.7, 1.2)
    binary = rng.uniform() < 0.5
    if not binary:
        image = torch.nn.functional.avg_pool2d(torch.from_numpy(image)[None], 3, 1, 1)[0].numpy()
        image = image + rng.normal(0, rng.uniform(0.02, 0.2), shape).astype(np.float32)
    else:
        image = (image > 0).astype(np.float32)
    return image, fastremap.renumber(labels)[0].astype(np.int32)


def train():
    torch.manual_seed(7)
    torch.set_num_threads(1)
    rng = np.random.default_rng(7)
    examples = []
    for _ in range(160):
        image, labels = draw(rng, (128, 128), 30.0, rng.integers(2, 12), rng.integers(0, 3))
        flows = dynamics.masks_to_flows(labels) if labels.max() else np.zeros((2, 128, 128))
        image = transforms.normalize99(image) if image.max() > 1.01 or image.min() < 0 else image
        examples.append((image, np.stack([5 * flows[0], 5 * flows[1], labels > 0]).astype(np.float32)))
    net = network(NARROW).train()
    steps = 700
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for step in range(steps):
        batch = [examples[i] for i in rng.integers(0, len(examples), 4)]
        images, targets = [], []
        for image, target in batch:
            if rng.uniform() < 0.5:
                image, target = image[::-1], target[:, ::-1] * np.array([-1, 1, 1], np.float32)[:, None, None]
            if rng.uniform() < 0.5:
                image, target = image[:, ::-1], target[:, :, ::-1] * np.array([1, -1, 1], np.float32)[:, None, None]
            if rng.uniform() < 0.5:
                image, target = image.T, target.transpose(0, 2, 1)[[1, 0, 2]]
            images.append(np.stack([image, np.zeros_like(image)]))
            targets.append(target)
        x, y = (torch.from_numpy(np.ascontiguousarray(np.stack(v))) for v in (images, targets))
        found = net(x)[0]
        loss = torch.nn.functional.mse_loss(found[:, :2], y[:, :2]) / 2
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(found[:, 2], y[:, 2])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.3f}")
    state = {name: v.half() if v.is_floating_point() else v for name, v in net.state_dict().items()}
    save_file({name: v.clone().contiguous() for name, v in state.items()}, FOLDER / "narrow.safetensors")


forward = core._forward


def forward_padded(net, tiles):
    """cellpose's tiling has room for 256 numbers of style, whatever the network."""
    maps, style = forward(net, tiles)
    return maps, np.pad(style, ((0, 0), (0, 256 - style.shape[1])))


def narrow_model():
    core._forward = forward_padded
    state = load_file(FOLDER / "narrow.safetensors")
    assert len(state) == 313
    model = models.CellposeModel(gpu=False, mkldnn=False)
    model.net = network(NARROW)
    model.net.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in state.items()})
    model.net.eval()
    model.diam_labels = float(state["diam_labels"][0])
    return model


# ---- masks

def masks(flows, probability, steps, device, flow_threshold=0.4, minimum=15):
    """compute_masks, with the numbers closed up before small ones are dropped: cellpose 3.1 takes others for small where the
    test of flows has left a gap. Also what cellpose itself makes of it."""
    settings = dict(niter=steps, flow_threshold=flow_threshold, device=device)
    raw = dynamics.resize_and_compute_masks(flows, probability, min_size=minimum, **settings)
    found = fastremap.renumber(dynamics.compute_masks(flows, probability, **settings))[0]
    found = utils.fill_holes_and_remove_small_masks(found, min_size=minimum)
    return found, raw


def tensors(prefix, arrays):
    kinds = {np.dtype("float64"): np.float32, np.dtype("uint16"): np.uint8, np.dtype("int32"): np.uint8}
    convert = lambda v: torch.from_numpy(np.ascontiguousarray(v.astype(kinds.get(v.dtype, v.dtype))))
    return {f"{prefix}/{name}": convert(np.asarray(v)) for name, v in arrays.items()}


def drawn_image():
    """Discs of 10 pixels and a membrane, as a slice of a tomogram has them."""
    rng = np.random.default_rng(11)
    while True:
        image, labels = draw(rng, (92, 117), 10.0, 26, 2)
        if image.min() < 0:
            return (40 * image + 100).astype(np.float32), labels


def through_the_network():
    model = narrow_model()
    image, labels = drawn_image()
    arrays = {"pixels": image, "truth": labels}
    arrays["normalised"] = transforms.normalize_img(image[..., None], normalize=True)[..., 0]
    for name, device in DEVICES.items():
        model.device = torch.device("cpu")
        found, (_, flows, probability), style = model.eval(image, channels=[0, 0], diameter=10.0)
        ours, raw = masks(flows, probability, 200 / 3, device)
        if name == "cpu":
            assert (raw == found).all()
            arrays |= {"flows": flows, "probability": probability, "style": style[:NARROW[-1]]}
        arrays[f"masks_{name}"] = ours
        print(name, "instances", ours.max(), "of", labels.max(), "| as cellpose numbers them:", (ours == raw).all())
    # At the training diameter nothing is scaled.
    _, (_, flows, _), _ = model.eval(image, channels=[0, 0], diameter=30.0)
    arrays["flows_30"] = flows[:, 20:60, 30:80]
    return tensors("image", arrays)


def from_drawn_flows():
    """Shapes whose flows are their own, but for noise, and some that are wrong."""
    rng = np.random.default_rng(3)
    rows, cols = 96, 124
    y, x = np.mgrid[:rows, :cols]
    disc = lambda cy, cx, r: np.hypot(y - cy, x - cx) <= r
    labels = np.zeros((rows, cols), np.int32)
    shapes = [disc(14, 14, 9), disc(14, 31, 7.5), disc(0, 60, 8), disc(95, 123, 11), disc(20, 90, 2.2),
              disc(50, 30, 13) & ~disc(50, 30, 5), np.hypot((y - 50) / 3.2, x - 62) <= 5,
              disc(48, 84, 7), disc(48, 98, 7), disc(80, 20, 10), (abs(y - 78) < 4) & (abs(x - 62) < 20),
              disc(30, 112, 1.6), disc(75, 100, 8)]
    for label, shape in enumerate(shapes, 1):
        labels[shape] = label
    flows = dynamics.masks_to_flows(labels) * 5
    wrong = labels == 10
    turned = np.stack([-flows[1], flows[0]])
    flows[:, wrong] = turned[:, wrong]
    flows = (flows + rng.normal(0, 0.6, flows.shape)).astype(np.float32)
    probability = (np.where(labels > 0, 4.0, -4.0) + rng.normal(0, 1, labels.shape)).astype(np.float32)
    # The hole of the ring belongs to nothing and yet to no other.
    arrays = {"flows": flows, "probability": probability}
    for name, device in DEVICES.items():
        for steps, threshold in ((66, 0.4), (200, 0.0)):
            ours, raw = masks(flows, probability, steps, device, threshold)
            arrays[f"masks_{name}_{steps}"] = ours
            print(name, steps, "instances", ours.max(), "| as cellpose numbers them:", (ours == raw).all())
    return tensors("drawn", arrays)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", action="store_true")
    FOLDER.mkdir(parents=True, exist_ok=True)
    if parser.parse_args().train:
        train()
    save_file(full_width() | through_the_network() | from_drawn_flows(), FOLDER / "parity.safetensors")
    for file in sorted(FOLDER.iterdir()):
        print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()

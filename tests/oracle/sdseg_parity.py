"""What SDSeg's network computes on random weights, for tests/sdseg.rs: writes tests/fixtures/sdseg/{names.json,parity.safetensors}.

    python tests/oracle/sdseg_parity.py

Weights and inputs are hashes of their names (hashed.py), so only names, shapes and outputs are stored. Needs: torch 2.11,
safetensors, numpy.
"""
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from hashed import uniform
from sdseg_torch import SdSeg

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "sdseg"
UNET = dict(width=32, blocks=1, mult=(1, 2), attention=(2,), heads=8)
AUTOENCODER = dict(widths=(32, 32, 64, 64), blocks=1)
SCALE = 0.75


def hashed(name, *shape):
    return torch.from_numpy(uniform(name, int(np.prod(shape)))).reshape(shape)


def weight(name, shape):
    u = hashed("net/" + name, *shape)
    if len(shape) >= 2:
        return u * np.sqrt(3.0 / np.prod(shape[1:]))
    return 1 + 0.2 * u if name.endswith("weight") else 0.2 * u


def main():
    net = SdSeg(UNET, AUTOENCODER).eval()
    names = []
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            names.append([name, list(tensor.shape)])
            tensor.copy_(torch.tensor(SCALE) if name == "scale_factor" else weight(name, tuple(tensor.shape)))
    # The mask encoder's posterior has an almost constant deviation otherwise.
    image, mask = hashed("image", 2, 3, 64, 64), torch.where(hashed("mask", 2, 1, 64, 64) > 0.2, 1.0, -1.0)
    eps, normal, noise = hashed("eps", 2, 4, 8, 8) * 1.7, hashed("normal", 2, 4, 8, 8) * 1.7, hashed("noise", 2, 4, 8, 8) * 1.7
    t = torch.tensor([999, 300])
    out = {}
    with torch.no_grad():
        out["condition"] = net.condition(image)
        out["unet"] = net.noise(noise, out["condition"], torch.tensor([421, 421]))
        out["mean"], out["logvar"] = net.posterior(mask.expand(-1, 3, -1, -1))
        out["decoded"] = net.decode(noise)[:, :, ::3, ::3]
        out["direct"] = net.direct(image, noise)[:, :, ::2, ::2]
        out["ddim"] = net.ddim(image, noise, 4)
    trained = [p for n, p in net.named_parameters() if not n.startswith("first_stage_model")]
    loss = net.loss(image, mask.expand(-1, 3, -1, -1), t, eps, normal)
    loss.backward()
    out["loss"] = loss.detach()
    out["gradient"] = torch.sqrt(sum((p.grad ** 2).sum() for p in trained))
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in names)
    (FOLDER / "names.json").write_text("[\n" + lines + "]\n")
    save_file({name: tensor.float().contiguous() for name, tensor in out.items()}, FOLDER / "parity.safetensors")
    for name, tensor in out.items():
        print(name, tuple(tensor.shape), float(tensor.float().abs().mean()))


if __name__ == "__main__":
    main()

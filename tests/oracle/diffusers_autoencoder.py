"""Writes tests/fixtures/diffusion/autoencoder.{json,safetensors}: what diffusers' AutoencoderKL makes of hashed weights, both ways, for
the reduced Stable Diffusion of diffusers_networks.py and for a single-channel one as this project trains.

    python tests/oracle/diffusers_autoencoder.py tests/fixtures/diffusion
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

import diffusers_networks as nets
from hashed import uniform

GREY = dict(in_channels=1, out_channels=1, block_out_channels=[8, 16, 16, 24], layers_per_block=1, latent_channels=4,
            norm_num_groups=4, down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
NETWORKS = {"sd": nets.VAE, "grey": GREY}
ROWS, COLUMNS = 2, 3


@torch.no_grad()
def main(folder):
    lists, results = {}, {}
    for key, config in NETWORKS.items():
        vae = nets.fill(AutoencoderKL(**config), f"{key}/vae")
        lists[key] = [[name, list(tensor.shape)] for name, tensor in vae.state_dict().items()]
        latent = torch.from_numpy(uniform(f"{key}/latent", 4 * ROWS * COLUMNS)).reshape(1, 4, ROWS, COLUMNS)
        results[f"{key}.image"] = vae.decode(latent).sample
        channels = config.get("in_channels", 3)
        image = torch.from_numpy(uniform(f"{key}/image", channels * 64 * ROWS * COLUMNS))
        moments = vae.encode(image.reshape(1, channels, 8 * ROWS, 8 * COLUMNS)).latent_dist
        results[f"{key}.mean"], results[f"{key}.logvar"] = moments.mean, moments.logvar
    text = lambda value: json.dumps(value, separators=(",", ":"))
    lines = [f'"{key}":[\n' + ",\n".join(map(text, entries)) + "]" for key, entries in lists.items()]
    (folder / "autoencoder.json").write_text("{" + ",\n".join(lines) + "}\n")
    save_file({name: tensor.contiguous() for name, tensor in results.items()}, folder / "autoencoder.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

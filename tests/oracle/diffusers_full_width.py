"""Stable Diffusion 1.4 at full width with random weights, in diffusers: the other half of the test
`full_width_beside_diffusers` in tests/diffusion_parity.rs.

    python tests/oracle/diffusers_full_width.py write DIR      # 4.3 GB of float32 weights, once
    python tests/oracle/diffusers_full_width.py run DIR        # expected.safetensors, times and peak memory
    TOMOCUT_FULL_WIDTH=DIR cargo test --release --test diffusion_parity full_width -- --ignored --nocapture
"""
import resource
import sys
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

import diffusers_networks as nets

VAE = dict(nets.VAE, block_out_channels=[128, 256, 512, 512])
TEXT = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12)


def randomise(module, generator):
    """The scales of diffusers_networks.weight, drawn by torch."""
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.ndim >= 2:
                tensor.normal_(generator=generator).mul_(tensor[0].numel() ** -0.5)
            elif tensor.is_floating_point():
                tensor.uniform_(-0.2, 0.2, generator=generator).add_(1.0 if name.endswith(".weight") else 0.0)
    return module


def write(folder):
    generator = torch.Generator().manual_seed(0)
    parts = {"unet": lambda: UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8),
             "vae": lambda: AutoencoderKL(**VAE),
             "text_encoder": lambda: CLIPTextModel(CLIPTextConfig(**TEXT))}
    for name, make in parts.items():
        randomise(make(), generator).save_pretrained(folder / name)


def now():
    """Wall clock and processor time, in seconds: the second one can be compared on a busy machine too."""
    return time.monotonic(), time.process_time()


def peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@torch.no_grad()
def run(folder):
    began = now()
    ids = torch.tensor([[49406] + [49407] * 76])
    context = CLIPTextModel.from_pretrained(folder / "text_encoder")(ids).last_hidden_state
    vae = AutoencoderKL.from_pretrained(folder / "vae").eval()
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    loaded = now()
    image = (torch.from_numpy(nets.uniform("full/image", 512 * 512)).reshape(1, 1, 512, 512) + 1) / 2
    latent = vae.encode(image.expand(-1, 3, -1, -1) * 2 - 1).latent_dist.mean * vae.config.scaling_factor
    encoded = now()
    taps = nets.tap(unet)
    output = unet(latent, torch.tensor([50]), encoder_hidden_states=context).sample
    passed = now()
    took = lambda start, end: f"{end[0] - start[0]:.1f} s ({end[1] - start[1]:.1f} s of processor)"
    print(f"diffusers: load {took(began, loaded)}, encode {took(loaded, encoded)}, U-Net {took(encoded, passed)}, "
          f"peak {peak_gib():.2f} GiB, {torch.get_num_threads()} threads")
    result = dict(text=context, latent=latent, output=output)
    for name, q, k in taps:
        result[f"{name}.q"], result[f"{name}.k"] = q, k
    save_file({name: tensor.contiguous() for name, tensor in result.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    {"write": write, "run": run}[sys.argv[1]](Path(sys.argv[2]))

"""Writes tests/fixtures/diffusion/modulation.safetensors: modulated denoising (EmerDiff, ICLR 2024, section 3.2) of the
small networks of diffusers_networks.py by diffusers' own U-Net and DDIM scheduler.

    python tests/oracle/diffusers_modulation.py tests/fixtures/diffusion

Made with diffusers 0.42.1, torch 2.11.0. Ten steps of 1000 from t = 281 on: 281, 181, 81. Each x_t is the latent with the
noise sd1/modulation/T; diffusers' step of eta 1 is given the variance noise that leads from one of them to the next.
"""
import sys
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file, save_file

import diffusers_networks as nets

LAYER = "up_blocks.1.attentions.2.transformer_blocks.0.attn2"
TIMESTEPS = [281, 181, 81]
STRENGTH = 10.0


class Attention:
    """Softmax attention that keeps its queries and keys, or takes those kept, and pushes one layer's output."""

    def __init__(self, name, state):
        self.name, self.state = name, state

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **kwargs):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        split = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        query, key, value = split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context))
        if self.state["record"]:
            self.state["kept"][self.name] = query, key
        else:
            query, key = (x.expand(len(value), -1, -1, -1) for x in self.state["kept"][self.name])
        weights = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).softmax(-1)
        output = attn.to_out[0]((weights @ value).transpose(1, 2).flatten(2))
        if self.name == LAYER and self.state["push"] is not None:
            output = output + self.state["push"][:, :, None]
        return output


def masks(tokens):
    """Two sets of tokens."""
    first = torch.arange(tokens) < (tokens + 1) // 3
    return torch.stack([first, torch.arange(tokens) % 2 == 1]).float()


@torch.no_grad()
def modulated(key, latent):
    settings = nets.NETWORKS[key]
    unet, _, text = nets.build(key)
    state = {"kept": {}, "record": True, "push": None}
    names = [name for name, module in unet.named_modules() if name.endswith((".attn1", ".attn2"))]
    unet.set_attn_processor({f"{name}.processor": Attention(name, state) for name in names})
    context = text(nets.prompt_ids(key)).last_hidden_state
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                              set_alpha_to_one=False, steps_offset=1, prediction_type=settings["prediction_type"])
    scheduler.set_timesteps(10)
    rows, columns = latent.shape[2:]
    path = []
    for t in TIMESTEPS:
        noise = torch.from_numpy(nets.uniform(f"{key}/modulation/{t}", latent.numel())).reshape(latent.shape)
        path.append(scheduler.add_noise(latent, noise, torch.tensor([t])))
    path.append(latent)
    tokens = masks(rows * columns // 16)
    pushes = torch.cat([-STRENGTH * tokens, STRENGTH * tokens])
    x = path[0].repeat(len(pushes), 1, 1, 1)
    for i, t in enumerate(TIMESTEPS):
        state.update(record=True, push=None)
        own = unet(path[i], t, encoder_hidden_states=context).sample
        state.update(record=False, push=pushes if i == 0 else None)
        output = unet(x, t, encoder_hidden_states=context.expand(len(x), -1, -1)).sample
        step = lambda out, sample, noise: scheduler.step(out, t, sample, eta=1.0, variance_noise=noise).prev_sample
        mean = step(own, path[i], torch.zeros_like(latent))
        deviation = step(own, path[i], torch.ones_like(latent)) - mean
        noise = (path[i + 1] - mean) / deviation
        x = step(output, x, noise.expand_as(x))
    return x.contiguous()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    latents = {key: load_file(folder / f"{key}.safetensors")["latent"] for key in nets.NETWORKS}
    save_file({key: modulated(key, latent) for key, latent in latents.items()}, folder / "modulation.safetensors")

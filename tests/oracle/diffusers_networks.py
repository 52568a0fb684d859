"""Stable Diffusion networks of any width with weights that need no file: every number is a hash of the tensor's name.

tests/diffusion_parity.rs has the same hash, so fixtures hold expected results only.
Needs: torch, diffusers (0.42), transformers (5.x), safetensors.
"""
import numpy as np
import torch
from hashed import uniform
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel


def weight(name, shape):
    """Matrices and kernels of unit gain; norms near one; biases near zero."""
    u = uniform(name, int(np.prod(shape)))
    if len(shape) >= 2:
        u = u * np.float32(np.sqrt(3.0 / np.prod(shape[1:])))
    elif name.endswith(".weight"):
        u = np.float32(1) + np.float32(0.2) * u
    else:
        u = np.float32(0.2) * u
    return torch.from_numpy(u.reshape(shape))


def fill(module, prefix):
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(weight(f"{prefix}/{name.removeprefix('text_model.')}", tuple(tensor.shape)))
    return module.eval()


NETWORKS = {
    "sd1": dict(
        unet=dict(block_out_channels=[32, 64, 128, 128], cross_attention_dim=128, attention_head_dim=8),
        text=dict(hidden_size=128, intermediate_size=192, num_attention_heads=2, hidden_act="quick_gelu"),
        prediction_type="epsilon", latent=(8, 12),
    ),
    "sd2": dict(
        unet=dict(block_out_channels=[64, 128, 256, 256], cross_attention_dim=128, attention_head_dim=[1, 2, 4, 4],
                  use_linear_projection=True),
        text=dict(hidden_size=128, intermediate_size=192, num_attention_heads=2, hidden_act="gelu"),
        prediction_type="v_prediction", latent=(4, 8),
    ),
}
VAE = dict(block_out_channels=[32, 64, 128, 128], layers_per_block=2, latent_channels=4, scaling_factor=0.18215,
           down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
TEXT = dict(vocab_size=100, num_hidden_layers=2, max_position_embeddings=77)


def build(key):
    settings = NETWORKS[key]
    unet = UNet2DConditionModel(**settings["unet"])
    vae = AutoencoderKL(**VAE)
    config = CLIPTextConfig(**TEXT, **settings["text"], bos_token_id=98, eos_token_id=99)
    text = CLIPTextModel._from_config(config, attn_implementation="eager")
    return fill(unet, f"{key}/unet"), fill(vae, f"{key}/vae"), fill(text, f"{key}/text")


def prompt_ids(key):
    """The empty prompt: start, end, then end again (SD 1) or token 0 (SD 2)."""
    return torch.tensor([[98, 99] + [99 if key == "sd1" else 0] * 75])


def tap(unet):
    """Hooks every self-attention in execution order; returns the list that fills up with (name, q, k), [heads, N, d]."""
    taken = []
    for name, module in unet.named_modules():
        if name.endswith(".attn1"):
            def hook(module, args, kwargs, output, name=name):
                states = args[0] if args else kwargs["hidden_states"]
                split = lambda x: x.reshape(x.shape[1], module.heads, -1).transpose(0, 1).contiguous()
                taken.append((name, split(module.to_q(states)), split(module.to_k(states))))
            module.register_forward_hook(hook, with_kwargs=True)
    return taken

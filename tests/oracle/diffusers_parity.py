"""Writes tests/fixtures/diffusion: what diffusers computes for small SD 1 and SD 2 shaped networks, and where the
original checkpoint layout keeps each tensor.

    python tests/oracle/diffusers_parity.py tests/fixtures/diffusion

The list of original names is checked here against diffusers' own converters, and the early names of the autoencoder's
attention against diffusers' own loader.
"""
import json
import re
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMInverseScheduler, DDIMScheduler
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file, save_file

import diffusers_networks as nets

UNET = "model.diffusion_model."
RESIDUAL = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
            "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def original_unet(name):
    for ours, theirs in [("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
                         ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
                         ("mid_block.attentions.0", "middle_block.1")]:
        if name.startswith(ours + "."):
            return theirs + name[len(ours):]
    inside = lambda rest: RESIDUAL[rest.split(".")[0]] + "." + rest.split(".", 1)[1]
    if m := re.match(r"mid_block\.resnets\.(\d)\.(.*)", name):
        return f"middle_block.{2 * int(m[1])}.{inside(m[2])}"
    m = re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", name)
    way, block, kind, i, rest = m[1], int(m[2]), m[3], int(m[4]), m[5]
    at = 3 * block + (1 if way == "down" else 0) + i
    stem = "input_blocks" if way == "down" else "output_blocks"
    if kind == "resnets":
        return f"{stem}.{at}.0.{inside(rest)}"
    if kind == "attentions":
        return f"{stem}.{at}.1.{rest}"
    if kind == "downsamplers":
        return f"{stem}.{at + 2}.0.op{rest.removeprefix('conv')}"
    return f"{stem}.{at + 2}.{1 if block == 0 else 2}.{rest}"


def original_vae(name):
    name = re.sub(r"^encoder\.mid_block\.resnets\.(\d)", lambda m: f"encoder.mid.block_{int(m[1]) + 1}", name)
    name = re.sub(r"^encoder\.down_blocks\.(\d)\.resnets", r"encoder.down.\1.block", name)
    name = re.sub(r"^encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    for ours, theirs in [("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")]:
        name = name.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{theirs}.")
    return name.replace("conv_shortcut", "nin_shortcut").replace("encoder.conv_norm_out", "encoder.norm_out")


def check_unet(unet, entries):
    checkpoint = {UNET + theirs: unet.state_dict()[ours] for theirs, ours, _ in entries}
    back = convert_ldm_unet_checkpoint(checkpoint, dict(unet.config))
    expected = unet.state_dict()
    assert set(back) == set(expected), set(back) ^ set(expected)
    assert all(torch.equal(back[name], expected[name]) for name in expected)


def check_vae(vae, entries):
    state = vae.state_dict()
    shaped = lambda x, shape: x.reshape(shape)
    checkpoint = {"first_stage_model." + theirs: shaped(state[ours], shape) for theirs, ours, shape in entries}
    back = convert_ldm_vae_checkpoint(checkpoint, dict(vae.config))
    assert all(torch.equal(back[ours].reshape(state[ours].shape), state[ours]) for _, ours, _ in entries)


def check_early_names(vae):
    """diffusers renames query, key, value and proj_attn when it loads an early file."""
    with tempfile.TemporaryDirectory() as folder:
        vae.save_pretrained(folder)
        file = Path(folder) / "diffusion_pytorch_model.safetensors"
        rename = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        early = {}
        for name, tensor in load_file(file).items():
            for new, old in rename.items():
                name = name.replace(f"mid_block.attentions.0.{new}.", f"mid_block.attentions.0.{old}.")
            early[name] = tensor
        save_file(early, file, metadata={"format": "pt"})
        loaded = AutoencoderKL.from_pretrained(folder).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in vae.state_dict().items())


def text_entries(key, text):
    """[original name, [names in transformers], shape]: the joint query-key-value tensors have three sources."""
    names = [name.removeprefix("text_model.") for name in text.state_dict() if not name.endswith("position_ids")]
    shapes = {name.removeprefix("text_model."): list(t.shape) for name, t in text.state_dict().items()}
    if key == "sd1":
        return [["cond_stage_model.transformer.text_model." + n, [n], shapes[n]] for n in names]
    entries = []
    rename = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
              "self_attn.out_proj": "attn.out_proj"}
    top = {"embeddings.token_embedding.weight": "token_embedding.weight",
           "embeddings.position_embedding.weight": "positional_embedding",
           "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias"}
    for name in names:
        shape = shapes[name]
        if name in top:
            entries.append([top[name], [name], shape])
            continue
        _, _, layer, rest = name.split(".", 3)
        module, leaf = rest.rsplit(".", 1)
        block = f"transformer.resblocks.{layer}."
        if module == "self_attn.q_proj":
            thirds = [name.replace("q_proj", x) for x in ("q_proj", "k_proj", "v_proj")]
            entries.append([f"{block}attn.in_proj_{leaf}", thirds, [3 * shape[0]] + shape[1:]])
        elif module in rename:
            entries.append([f"{block}{rename[module]}.{leaf}", [name], shape])
    # The last layer of OpenCLIP, which Stable Diffusion 2 does not run.
    last = [[n.replace("resblocks.0", "resblocks.2"), s, shape] for n, s, shape in entries if "resblocks.0." in n]
    return [["cond_stage_model.model." + n, s, shape] for n, s, shape in entries + last]


@torch.no_grad()
def expected(key, unet, vae, text):
    settings = nets.NETWORKS[key]
    rows, columns = settings["latent"]
    image = torch.from_numpy(nets.uniform(f"{key}/image", 64 * rows * columns)).reshape(1, 1, 8 * rows, 8 * columns)
    image = (image + 1) / 2
    eps = torch.from_numpy(nets.uniform(f"{key}/noise", 4 * rows * columns)).reshape(1, 4, rows, columns)
    context = text(nets.prompt_ids(key)).last_hidden_state
    mean = vae.encode(image.expand(-1, 3, -1, -1) * 2 - 1).latent_dist.mean * vae.config.scaling_factor
    options = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                   set_alpha_to_one=False, steps_offset=1, prediction_type=settings["prediction_type"])
    scheduler = DDIMScheduler(**options)
    t = torch.tensor([300])
    x = scheduler.add_noise(mean, eps, t)
    taps = nets.tap(unet)
    output = unet(x, t, encoder_hidden_states=context).sample
    taken = list(taps)
    assert len(taken) == 16, len(taken)
    scheduler.set_timesteps(1000)
    clean = scheduler.step(output, 300, x).pred_original_sample
    inverse = DDIMInverseScheduler(**options)
    inverse.set_timesteps(50)
    inverted = mean
    for step in inverse.timesteps[:10]:
        inverted = inverse.step(unet(inverted, step, encoder_hidden_states=context).sample, int(step), inverted).prev_sample
    assert int(inverse.timesteps[9]) == 181
    result = dict(text=context, latent=mean, input=x, output=output, clean=clean, inverted=inverted)
    for name, q, k in taken:
        result[f"{name}.q"], result[f"{name}.k"] = q, k
    return {name: tensor.contiguous() for name, tensor in result.items()}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for key in nets.NETWORKS:
        unet, vae, text = nets.build(key)
        shape = lambda module, name: list(module.state_dict()[name].shape)
        unet_list = [[original_unet(n), n, shape(unet, n)] for n in unet.state_dict()]
        check_unet(unet, unet_list)
        vae_list = []
        for n in vae.state_dict():
            if n.startswith("encoder.") or n.startswith("quant_conv."):
                size = shape(vae, n)
                theirs = original_vae(n)
                vae_list.append([theirs, n, size + [1, 1] if "attn_1" in theirs and len(size) == 2 else size])
        check_vae(vae, vae_list)
        check_early_names(vae)
        configs = {
            "unet": dict(unet.config), "vae": dict(vae.config), "text_encoder": text.config.to_dict(),
            "scheduler": {"prediction_type": nets.NETWORKS[key]["prediction_type"], "beta_schedule": "scaled_linear",
                          "beta_start": 0.00085, "beta_end": 0.012},
        }
        listing = {"configs": configs, "unet": unet_list, "vae": vae_list, "text": text_entries(key, text)}
        text_of = lambda value: json.dumps(value, separators=(",", ":"))
        lines = [f'"configs":{text_of(configs)}']
        for part in ("unet", "vae", "text"):
            lines.append(f'"{part}":[\n' + ",\n".join(map(text_of, listing[part])) + "]")
        (folder / f"{key}.json").write_text("{" + ",\n".join(lines) + "}\n")
        save_file(expected(key, unet, vae, text), folder / f"{key}.safetensors")
        print(key, (folder / f"{key}.json").stat().st_size, (folder / f"{key}.safetensors").stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""SDSeg's network in PyTorch, written out from its description and the names and shapes of its checkpoints; no code of the authors is
used. sdseg_parity.py and benches/sdseg_peers.py stand on it."""
import math

import torch
import torch.nn.functional as F
from torch import nn


def norm(channels, eps=1e-5, groups=32):
    return nn.GroupNorm(groups, channels, eps=eps)


class ResBlock(nn.Module):
    """Residual block of the latent-diffusion U-Net with scale and shift; `resize` is None, "down" or "up"."""

    def __init__(self, time, channels, out, resize=None):
        super().__init__()
        self.resize = resize
        self.in_layers = nn.Sequential(norm(channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(time, 2 * out))
        self.out_layers = nn.Sequential(norm(out), nn.SiLU(), nn.Dropout(0.2), nn.Conv2d(out, out, 3, padding=1))
        self.skip_connection = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def _resize(self, x):
        if self.resize == "down":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2, mode="nearest") if self.resize == "up" else x

    def forward(self, x, emb):
        h = self.in_layers[2](self._resize(self.in_layers[1](self.in_layers[0](x))))
        scale, shift = self.emb_layers(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.out_layers[0](h) * (1 + scale) + shift
        return self.skip_connection(self._resize(x)) + self.out_layers[1:](h)


class AttentionBlock(nn.Module):
    """Attention over pixels in the legacy order: heads first, then queries, keys and values."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        b, c, *space = x.shape
        x = x.reshape(b, c, -1)
        qkv = self.qkv(self.norm(x))
        width = c // self.heads
        q, k, v = qkv.reshape(b * self.heads, 3 * width, -1).split(width, dim=1)
        scale = width ** -0.25
        weight = torch.einsum("bct,bcs->bts", q * scale, k * scale)
        weight = torch.softmax(weight.float(), dim=-1).type(weight.dtype)
        h = torch.einsum("bts,bcs->bct", weight, v).reshape(b, c, -1)
        return (x + self.proj_out(h)).reshape(b, c, *space)


class Steps(nn.Sequential):
    def forward(self, x, emb):
        for layer in self:
            x = layer(x, emb) if isinstance(layer, ResBlock) else layer(x)
        return x


class Unet(nn.Module):
    def __init__(self, in_channels=8, out_channels=4, width=192, blocks=2, mult=(1, 2, 2, 4, 4), attention=(1, 2, 4, 8), heads=8):
        super().__init__()
        self.width = width
        time = 4 * width
        self.time_embed = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time))
        self.input_blocks = nn.ModuleList([Steps(nn.Conv2d(in_channels, width, 3, padding=1))])
        channels, factor, skips = width, 1, [width]
        for level, m in enumerate(mult):
            for _ in range(blocks):
                layers = [ResBlock(time, channels, m * width)]
                channels = m * width
                if factor in attention:
                    layers.append(AttentionBlock(channels, heads))
                self.input_blocks.append(Steps(*layers))
                skips.append(channels)
            if level + 1 < len(mult):
                self.input_blocks.append(Steps(ResBlock(time, channels, channels, "down")))
                skips.append(channels)
                factor *= 2
        self.middle_block = Steps(ResBlock(time, channels, channels), AttentionBlock(channels, heads),
                                  ResBlock(time, channels, channels))
        self.output_blocks = nn.ModuleList()
        for level, m in reversed(list(enumerate(mult))):
            for i in range(blocks + 1):
                layers = [ResBlock(time, channels + skips.pop(), m * width)]
                channels = m * width
                if factor in attention:
                    layers.append(AttentionBlock(channels, heads))
                if level and i == blocks:
                    layers.append(ResBlock(time, channels, channels, "up"))
                    factor //= 2
                self.output_blocks.append(Steps(*layers))
        self.out = nn.Sequential(norm(channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1))

    def forward(self, x, t):
        half = self.width // 2
        frequency = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
        angle = t[:, None].float() * frequency[None]
        emb = self.time_embed(torch.cat([angle.cos(), angle.sin()], dim=-1))
        skips = []
        for block in self.input_blocks:
            x = block(x, emb)
            skips.append(x)
        x = self.middle_block(x, emb)
        for block in self.output_blocks:
            x = block(torch.cat([x, skips.pop()], dim=1), emb)
        return self.out(x)


# The autoencoder.

class VaeBlock(nn.Module):
    def __init__(self, channels, out):
        super().__init__()
        self.norm1, self.conv1 = norm(channels, 1e-6), nn.Conv2d(channels, out, 3, padding=1)
        self.norm2, self.conv2 = norm(out, 1e-6), nn.Conv2d(out, out, 3, padding=1)
        if channels != out:
            self.nin_shortcut = nn.Conv2d(channels, out, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x) + h


class VaeAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = norm(channels, 1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.norm(x)
        q, k, v = (layer(y).reshape(b, c, h * w) for layer in (self.q, self.k, self.v))
        weight = torch.softmax(torch.bmm(q.permute(0, 2, 1), k) * c ** -0.5, dim=2)
        return x + self.proj_out(torch.bmm(v, weight.permute(0, 2, 1)).reshape(b, c, h, w))


def middle(channels):
    mid = nn.Module()
    mid.block_1, mid.attn_1, mid.block_2 = VaeBlock(channels, channels), VaeAttention(channels), VaeBlock(channels, channels)
    return mid


def through(mid, x):
    return mid.block_2(mid.attn_1(mid.block_1(x)))


class Encoder(nn.Module):
    def __init__(self, widths=(128, 256, 512, 512), blocks=2, latent=4):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        channels = widths[0]
        for i, width in enumerate(widths):
            level = nn.Module()
            level.block = nn.ModuleList()
            for _ in range(blocks):
                level.block.append(VaeBlock(channels, width))
                channels = width
            if i + 1 < len(widths):
                level.downsample = nn.Module()
                level.downsample.conv = nn.Conv2d(width, width, 3, stride=2)
            self.down.append(level)
        self.mid = middle(channels)
        self.norm_out, self.conv_out = norm(channels, 1e-6), nn.Conv2d(channels, 2 * latent, 3, padding=1)

    def forward(self, x):
        h = self.conv_in(x)
        for level in self.down:
            for block in level.block:
                h = block(h)
            if hasattr(level, "downsample"):
                h = level.downsample.conv(F.pad(h, (0, 1, 0, 1)))
        return self.conv_out(F.silu(self.norm_out(through(self.mid, h))))


class Decoder(nn.Module):
    def __init__(self, widths=(128, 256, 512, 512), blocks=2, latent=4):
        super().__init__()
        channels = widths[-1]
        self.conv_in = nn.Conv2d(latent, channels, 3, padding=1)
        self.mid = middle(channels)
        levels = []
        for i, width in reversed(list(enumerate(widths))):
            level = nn.Module()
            level.block = nn.ModuleList()
            for _ in range(blocks + 1):
                level.block.append(VaeBlock(channels, width))
                channels = width
            if i:
                level.upsample = nn.Module()
                level.upsample.conv = nn.Conv2d(width, width, 3, padding=1)
            levels.insert(0, level)
        self.up = nn.ModuleList(levels)
        self.norm_out, self.conv_out = norm(channels, 1e-6), nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, z):
        h = through(self.mid, self.conv_in(z))
        for level in reversed(self.up):
            for block in level.block:
                h = block(h)
            if hasattr(level, "upsample"):
                h = level.upsample.conv(F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.conv_out(F.silu(self.norm_out(h)))


class SdSeg(nn.Module):
    """Names of tensors are those of the published checkpoints."""

    def __init__(self, unet=None, autoencoder=None):
        super().__init__()
        self.model = nn.Module()
        self.model.diffusion_model = Unet(**(unet or {}))
        vae = autoencoder or {}
        self.first_stage_model = nn.Module()
        self.first_stage_model.encoder, self.first_stage_model.decoder = Encoder(**vae), Decoder(**vae)
        self.first_stage_model.quant_conv = nn.Conv2d(8, 8, 1)
        self.first_stage_model.post_quant_conv = nn.Conv2d(4, 4, 1)
        self.cond_stage_model = nn.Module()
        self.cond_stage_model.encoder = Encoder(**vae)
        self.cond_stage_model.out = nn.Conv2d(8, 4, 1)
        self.register_buffer("scale_factor", torch.tensor(1.0))
        betas = torch.linspace(0.0015 ** 0.5, 0.0155 ** 0.5, 1000, dtype=torch.float64) ** 2
        self.abar = torch.cumprod(1 - betas, 0)

    def posterior(self, mask):
        mean, logvar = self.first_stage_model.quant_conv(self.first_stage_model.encoder(mask)).chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20)

    def condition(self, image):
        return self.cond_stage_model.out(self.cond_stage_model.encoder(image))

    def decode(self, z):
        return self.first_stage_model.decoder(self.first_stage_model.post_quant_conv(z / self.scale_factor))

    def noise(self, z, condition, t):
        return self.model.diffusion_model(torch.cat([z, condition], dim=1), t)

    def column(self, values):
        return values.to(torch.float32)[:, None, None, None]

    def clean(self, z, eps, t):
        return self.column((1 / self.abar[t]).sqrt()) * z - self.column((1 / self.abar[t] - 1).sqrt()) * eps

    def loss(self, image, mask, t, eps, normal):
        with torch.no_grad():
            mean, logvar = self.posterior(mask)
            z0 = self.scale_factor * (mean + torch.exp(0.5 * logvar) * normal)
        zt = self.column(self.abar[t].sqrt()) * z0 + self.column((1 - self.abar[t]).sqrt()) * eps
        found = self.noise(zt, self.condition(image), t)
        return (found - eps).abs().mean() + (self.clean(zt, found, t) - z0).abs().mean()

    def direct(self, image, noise):
        t = torch.full((image.shape[0],), 999)
        z0 = self.clean(noise, self.noise(noise, self.condition(image), t), t)
        return ((self.decode(z0) + 1) / 2).clamp(0, 1).mean(dim=1, keepdim=True)

    def ddim(self, image, noise, steps):
        """Deterministic DDIM on timesteps that begin with the last one."""
        condition, z = self.condition(image), noise
        grid = [round(1000 * (steps - i) / steps) - 1 for i in range(steps)]
        for t, following in zip(grid, grid[1:] + [None]):
            times = torch.full((image.shape[0],), t)
            eps = self.noise(z, condition, times)
            z0 = self.clean(z, eps, times)
            if following is None:
                return z0
            z = float(self.abar[following].sqrt()) * z0 + float((1 - self.abar[following]).sqrt()) * eps

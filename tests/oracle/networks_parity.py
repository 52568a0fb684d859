"""What the segmentation networks compute, for tests/networks_parity.rs.

Writes tests/fixtures/networks/parity.safetensors. Weights and inputs are hashes of their names (hashed.py), so only outputs are
stored, every third number of each in row-major order. The DynUNet is MONAI's own; the slab paper's 2D U-Net, DeepETPicker's residual U-Net and this project's compact U-Net are
written out here from their descriptions.

Needs: monai 1.6, torch 2.11, safetensors, numpy.
"""
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from monai.networks.nets import DynUNet
from safetensors.torch import save_file
from torch import nn

from hashed import uniform

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "networks"


def hashed(name, shape):
    return torch.from_numpy(uniform(name, int(np.prod(shape)))).reshape(shape)


def hashed_weight(name, shape):
    u = hashed("net/" + name, shape)
    if len(shape) >= 2:
        return u * np.sqrt(3.0 / np.prod(shape[1:]))
    if name.endswith("running_var"):
        return 1 + 0.5 * u
    if name.endswith("weight"):
        return 1 + 0.2 * u
    return 0.2 * u


def fill(net):
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point() and "skip_layers" not in name:
                tensor.copy_(hashed_weight(name, tuple(tensor.shape)))
    return net


def count(net):
    return sum(p.numel() for p in {id(p): p for p in net.parameters()}.values())


# ---- DynUNet

def dynunet(filters, residual=True, heads=2, channels=1, outputs=1):
    n = len(filters)
    return DynUNet(3, channels, outputs, [3] * n, [1] + [2] * (n - 1), [1] + [2] * (n - 1), filters=filters, res_block=residual,
                   deep_supervision=heads > 0, deep_supr_num=max(heads, 1))


# ---- the slab paper's 2D U-Net

class Twice2d(nn.Module):
    def __init__(self, a, b, rate):
        super().__init__()
        self.conv_conv = nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(), nn.Dropout(rate),
                                       nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU())

    def forward(self, x):
        return self.conv_conv(x)


class Down2d(nn.Module):
    def __init__(self, a, b, rate):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Twice2d(a, b, rate))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up2d(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv1x1, self.conv = nn.Conv2d(a, b, 1), Twice2d(2 * b, b, 0.0)

    def forward(self, x, skip):
        x = F.interpolate(self.conv1x1(x), scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv(torch.cat([skip, x], 1))


class Unet2d(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128, 256), rates=(.05, .1, .2, .3, .5), outputs=2):
        super().__init__()
        n = len(widths)
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.in_conv = Twice2d(1, widths[0], rates[0])
        for i in range(1, n):
            setattr(self.encoder, f"down{i}", Down2d(widths[i - 1], widths[i], rates[i]))
            setattr(self.decoder, f"up{i}", Up2d(widths[n - i], widths[n - i - 1]))
        self.decoder.out_conv = nn.Conv2d(widths[0], outputs, 3, padding=1)
        self.n = n

    def forward(self, x):
        levels = [self.encoder.in_conv(x)]
        for i in range(1, self.n):
            levels.append(getattr(self.encoder, f"down{i}")(levels[-1]))
        x = levels.pop()
        for i in range(1, self.n):
            x = getattr(self.decoder, f"up{i}")(x, levels.pop())
        return self.decoder.out_conv(x)


# ---- DeepETPicker's residual U-Net

class Unit(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv, self.batchnorm = nn.Conv3d(a, b, 3, padding=1), nn.BatchNorm3d(b)

    def forward(self, x):
        return self.batchnorm(self.conv(x))


class Residual(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Unit(a, b), Unit(b, b), Unit(b, b)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        return F.elu(self.conv3(F.relu(self.conv2(x))) + x)


def coordinates(x):
    b, _, nz, ny, nx = x.shape
    z, y, x = torch.meshgrid(torch.linspace(-1, 1, nz), torch.linspace(-1, 1, ny), torch.linspace(-1, 1, nx), indexing="ij")
    return torch.stack([x, y, z])[None].expand(b, -1, -1, -1, -1)


class Picker(nn.Module):
    def __init__(self, maps=(24, 48, 72, 108), outputs=1):
        super().__init__()
        def step(**parts):
            module = nn.Module()
            for name, part in parts.items():
                setattr(module, name, part)
            return module
        self.encoders, self.decoders = nn.ModuleList(), nn.ModuleList()
        for i, m in enumerate(maps):
            self.encoders.append(step(basic_module=Residual((maps[i - 1] if i else 0) + 4, m)))
        for i in reversed(range(len(maps) - 1)):
            up = nn.ConvTranspose3d(maps[i + 1], maps[i], 3, stride=2, padding=1)
            self.decoders.append(step(upsampling=step(upsample=up), basic_module=Residual(maps[i] + 3, maps[i])))
        self.final_conv = nn.Conv3d(maps[0], outputs, 1)

    def forward(self, image):
        levels = []
        for i, encoder in enumerate(self.encoders):
            small = F.avg_pool3d(image, 2 ** i) if i else image
            parts = [F.avg_pool3d(levels[-1], 2)] if i else []
            levels.append(encoder.basic_module(torch.cat(parts + [small, coordinates(small)], 1)))
        x = levels.pop()
        for decoder in self.decoders:
            skip = levels.pop()
            x = decoder.upsampling.upsample(x, output_size=skip.shape[2:]) + skip
            x = decoder.basic_module(torch.cat([x, coordinates(x)], 1))
        return self.final_conv(x)


# ---- this project's compact U-Net, by strided and transposed convolutions instead of rearranged channels

def compact(x, widths, down, up, outputs):
    w = lambda name, *shape: hashed_weight(name, shape)

    def conv(name, x, a, b, k, stride=1):
        return F.conv3d(x, w(name + ".weight", b, a, k, k, k), w(name + ".bias", b), stride=stride, padding=k // 2 if k % 2 else 0)

    def block(name, x, n):
        y = conv(name + ".second", F.relu(conv(name + ".first", F.relu(x), n, n, 3)), n, n, 1)
        return x + w(name + ".scale", n).view(1, -1, 1, 1, 1) * y

    def spread(name, x, a, b):
        # Row p * b + c of the 1x1x1 convolution gives output c at place p of the 2x2x2 cell.
        weight = w(name + ".weight", 8 * b, a, 1, 1, 1).view(2, 2, 2, b, a).permute(4, 3, 0, 1, 2)
        bias = w(name + ".bias", 8 * b).view(2, 2, 2, b).permute(3, 0, 1, 2)[None]
        y = F.conv_transpose3d(x, weight.contiguous(), stride=2)
        return y + bias.repeat(1, 1, *x.shape[2:])

    # 3^3 cells of 2^3 voxels are a 6^3 kernel of stride 2 that begins one cell earlier.
    cells = w("stem.weight", widths[0], 8, 3, 3, 3).view(widths[0], 1, 2, 2, 2, 3, 3, 3)
    kernel = cells.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(widths[0], 1, 6, 6, 6)
    x = F.conv3d(x, kernel, w("stem.bias", widths[0]), stride=2, padding=2)
    skips = []
    for i, n in enumerate(widths):
        for b in range(down[i]):
            x = block(f"levels.{i}.down.{b}", x, n)
        if i + 1 < len(widths):
            skips.append(x)
            x = conv(f"levels.{i}.to_coarser", x, n, widths[i + 1], 2, stride=2)
    for i in reversed(range(len(widths) - 1)):
        x = skips.pop() + spread(f"levels.{i}.from_coarser", x, widths[i + 1], widths[i])
        for b in range(up[i]):
            x = block(f"levels.{i}.up.{b}", x, widths[i])
    return spread("head", F.relu(x), widths[0], outputs)


@torch.no_grad()
def main():
    torch.manual_seed(0)
    out = {}
    numbers = {"dynunet": count(dynunet([32, 64, 128, 256, 512, 1024])), "unet2d": count(Unet2d()), "picker": count(Picker())}
    assert numbers["unet2d"] == 1_813_474 and numbers["picker"] == 2_429_845, numbers
    out["counts"] = torch.tensor([numbers["dynunet"], numbers["unet2d"], numbers["picker"]], dtype=torch.float64)

    x = hashed("input/3d", (2, 1, 16, 24, 32))
    for name, net in {"residual": dynunet([4, 6, 8, 12]), "basic": dynunet([4, 8, 12], residual=False, heads=0, outputs=2)}.items():
        out[f"dynunet/{name}"] = fill(net).eval()(x)[:1]
    out["dynunet/deep"] = fill(dynunet([4, 6, 8, 12])).train()(x)[1, :, :, ::2].clone()

    net = fill(Picker())
    wide = hashed("input/picker", (1, 1, 16, 24, 16))
    out["picker/full"] = net.eval()(wide)
    net = fill(Picker((4, 6, 8), outputs=3))
    out["picker/classes"] = net.eval()(x)[1:, :, ::2].clone()
    out["picker/training"] = net.train()(x)[1:, :, ::2].clone()
    out["picker/mean"] = net.decoders[1].basic_module.conv3.batchnorm.running_mean
    out["picker/variance"] = net.encoders[2].basic_module.conv2.batchnorm.running_var

    flat = hashed("input/2d", (2, 1, 48, 64))
    out["unet2d/full"] = fill(Unet2d()).eval()(flat)
    net = fill(Unet2d((4, 6, 8), (0, 0, 0), 3)).train()
    out["unet2d/training"] = net(flat)
    out["unet2d/variance"] = net.encoder.down2.maxpool_conv[1].conv_conv[5].running_var

    out["compact/default"] = compact(x[:1, :, :, :, :24], (32, 96), (1, 3), (1,), 3)
    out["compact/deep"] = compact(hashed("input/deep", (1, 1, 16, 16, 24)), (4, 6, 8), (1, 0, 2), (2, 1), 2)
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Every third number tells as much as all of them.
    thin = {k: v if k == "counts" else v.flatten()[::3].clone() for k, v in out.items()}
    save_file(thin, FOLDER / "parity.safetensors")
    for name, tensor in out.items():
        print(name, tuple(tensor.shape), float(tensor.abs().max()))


main()

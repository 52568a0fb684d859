"""Writes tests/fixtures/diffusion/slab_released.safetensors: the slab paper's pipeline (Uddin et al., CVPR 2026) from slices to
canvases, labels and points, as its released code runs and as its text says, with diffusers for the networks, torch's autograd
for the eigenvectors, and OpenCV, scipy and scikit-image for the rest, on the small Stable Diffusion 1 of diffusers_networks.py.

    TOMOCUT_DRAWS=/tmp/draws.safetensors cargo test --test diffusion_parity -- --ignored draws_for_the_oracle
    python tests/oracle/slab_released.py /tmp/draws.safetensors tests/fixtures/diffusion

The released code is not seeded: the random numbers are those that the engine draws, from the first command. CellPose, which has an
oracle of its own, gives way to its circularity test on components. Made with diffusers 0.42, torch 2.11.0, OpenCV 5.0,
scipy 1.17, scikit-image 0.26.
"""
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from scipy import ndimage
from skimage.measure import label, perimeter, regionprops
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import diffusers_networks as nets

SLICES, ROWS, COLS = 3, 120, 144
TILE, TOKENS, SEED_LAYERS = 128, 16, 6
VOXEL_NM = 1.348
ITERATIONS = {"code": 200, "paper": 24}
ACCUMULATE = {"code": 20, "paper": 1}
CROSS = ndimage.generate_binary_structure(2, 1)


def volume():
    """Noisy slices with a dark band that bends and dark discs; the middle slice has other noise and a shifted band."""
    noise = nets.uniform("slab_released/volume", SLICES * ROWS * COLS).reshape(SLICES, ROWS, COLS)
    z, y, x = np.meshgrid(np.arange(SLICES), np.arange(ROWS), np.arange(COLS), indexing="ij")
    band = np.abs(y - 40 - (x - 72) ** 2 // 160 - 3 * z) <= 4
    discs = ((y - 88) ** 2 + (x - 36) ** 2 <= 64) | ((y - 84) ** 2 + (x - 108) ** 2 <= 100)
    return (np.float32(0.25) * noise - (band | discs).astype(np.float32)).astype(np.float32)


def stretch(a):
    a = a.astype(np.float64)
    return (255 * (a - a.min()) / (a.max() - a.min())).astype(np.uint8)


def enhance(slice_, clahe):
    image = stretch(slice_)
    if clahe:
        image = cv2.createCLAHE(clipLimit=2, tileGridSize=(8, 8)).apply(image)
    return stretch(ndimage.gaussian_filter(image, 1.25))


# The network that the eigenvectors come from ("ToyCNN").
def channels(net):
    planes, w1, b1, g1, o1, w2, b2, g2, o2, w3, b3 = net
    x = planes
    for w, b, gain, offset in ((w1, b1, g1, o1), (w2, b2, g2, o2)):
        x = F.relu(F.batch_norm(F.conv2d(x, w, b, padding=1), None, None, gain, offset, training=True, eps=1e-5))
    return F.conv2d(x, w3, b3, padding=1).softmax(1)


def loss_of(x, layers, form):
    """x: [1, C, 16, 16]; layers: [(queries, keys)], [heads, N, d] each."""
    eigs, orthos = [], []
    for q, k in layers:
        side = int(q.shape[1] ** 0.5)
        z = F.normalize(F.adaptive_avg_pool2d(x, side).flatten(2)[0], dim=1)
        p = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        eigs.append(torch.einsum("cn,hnm,cm->hc", z, p, z))
        gram = z @ z.T
        orthos.append(gram[~torch.eye(len(gram), dtype=bool)])
    distance = (torch.cat(eigs) - 1).abs().mean()
    if form == "code":
        return 2 * distance + 2 * (torch.cat(orthos) ** 2).mean()
    z = F.normalize(x.flatten(2)[0], dim=1)
    return distance + torch.linalg.norm(z @ z.T - torch.eye(len(z)))


def eigenvectors(draws, image, unet, vae, context, form):
    """[12, 16, 16] of one quadrant, `image` in 0..255."""
    pixels = torch.from_numpy(image / 255).float()[None, None].expand(-1, 3, -1, -1)
    with torch.no_grad():
        posterior = vae.encode(pixels * 2 - 1).latent_dist
    latent = (posterior.mean + posterior.std * draws["posterior"]) * vae.config.scaling_factor
    abar = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)
    net = [draws[f"net{i}"].clone() for i in range(7)]
    ones, zeros = torch.ones(128), torch.zeros(128)
    net = [p.requires_grad_() for p in
           [net[0], net[1], net[2], ones.clone(), zeros.clone(), net[3], net[4], ones, zeros, net[5], net[6]]]
    adam = torch.optim.Adam(net, lr=2e-3)
    taps = nets.tap(unet)
    buffer, drawn = None, 0
    for i, fresh in enumerate(draws["fresh"].tolist()):
        if fresh:
            t, noise = int(draws["timesteps"][drawn]), draws["noise"][drawn][None]
            drawn += 1
            noised = (abar[t].sqrt() * latent + (1 - abar[t]).sqrt() * noise).float()
            taps.clear()
            with torch.no_grad():
                unet(noised, t, encoder_hidden_states=context)
            layers = [(q, k) for _, q, k in taps]
            # The released code keeps middle and decoder; the text speaks of all layers.
            buffer = layers[SEED_LAYERS:] if form == "code" else layers
        else:
            layers = buffer
        loss_of(channels(net), layers, form).backward()
        if i and i % ACCUMULATE[form] == 0:
            adam.step()
            adam.zero_grad()
    with torch.no_grad():
        m = F.normalize(channels(net).flatten(2)[0].double(), dim=1).T
    vectors = torch.linalg.svd(m, full_matrices=False).U.T
    # A library's SVD leaves signs open, and the canvas does not settle all of them: the engine's rule, skewed upwards.
    vectors = vectors * (vectors**3).sum(1, keepdim=True).sign()
    return vectors.reshape(-1, TOKENS, TOKENS).numpy()


# The canvas.
def invert(a, full):
    return full - a if (a > 100).mean() < 0.4 else a


def unit(a):
    a = a.astype(np.float32)
    return (a - a.min()) * np.float32(255) / (a.max() - a.min())


def diversity(a):
    last = TOKENS - 3
    return np.std([np.std(a[i:i + 4, j:j + 4].astype(np.float64)) for i in range(0, last, 2) for j in range(0, last, 2)])


def contours(a):
    _, mask = cv2.threshold(unit(a).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return len(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0])


def canvas_of(maps):
    maps = [invert(unit(m), np.float32(255)) for m in maps]
    starts = [i for i, m in enumerate(maps) if contours(m) <= 10]
    if not starts:
        return None
    base = maps.pop(max(starts, key=lambda i: diversity(maps[i])))
    for _ in range(10):
        span, best = float(base.max() - base.min()), None
        for i, m in enumerate(maps):
            psnr = peak_signal_noise_ratio(base, m, data_range=span)
            if best and psnr <= best[0] or structural_similarity(base, m, data_range=span) <= 0.35:
                continue
            merged = unit(base + m)
            if contours(merged) <= 15 and diversity(merged) >= diversity(base):
                best = psnr, i, merged
        if not best:
            break
        base = best[2]
        maps.pop(best[1])
    return invert(cv2.resize(base.astype(np.uint8), (TILE, TILE), interpolation=cv2.INTER_CUBIC), 255)


def smoothed(stack):
    """The text's correction across z: an outlier between like neighbours is their mean, any other slice is smoothed."""
    answer = list(stack)
    for z in range(1, len(stack) - 1):
        p, c, n = stack[z - 1:z + 2]
        if p is None or c is None or n is None:
            continue
        span = float(int(p.max()) - int(p.min()))
        alike = lambda a, b: structural_similarity(a, b, data_range=span)
        p, c, n = (a.astype(np.float64) for a in (p, c, n))
        outlier = alike(stack[z + 1], stack[z - 1]) > 0.9 and alike(stack[z + 1], stack[z]) < 0.8
        answer[z] = (0.5 * p + 0.5 * n if outlier else 0.5 * c + 0.25 * p + 0.25 * n).astype(np.uint8)
    return answer


# Masks, split, points.
def split(canvas):
    """Membrane mask, molecule mask, and the molecules in the order of their labels, of one quadrant."""
    blurred = cv2.GaussianBlur(canvas, (7, 7), 1.5)
    foreground = ~cv2.adaptiveThreshold(blurred, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 15, 3) > 0
    bodies = label(foreground, connectivity=2)
    molecules, accepted = np.zeros_like(foreground), []
    for body in regionprops(bodies):
        around = perimeter(body.image, neighborhood=4) or 1
        if 4 * np.pi * body.area / around**2 >= 0.95:
            molecules |= bodies == body.label
            accepted.append((body.area, body.centroid))
    return foreground & ~molecules, molecules, accepted


def points_of(accepted, membrane, row, col):
    kept = []
    distance = ndimage.distance_transform_edt(~membrane) if membrane.any() else None
    for area, (y, x) in accepted:
        if area >= 30 / VOXEL_NM and (distance is None or distance[int(y), int(x)] > 10):
            kept.append((y, x))
    alone = [a for i, a in enumerate(kept)
             if all(np.hypot(a[0] - b[0], a[1] - b[1]) > 32 for j, b in enumerate(kept) if i != j)]
    half_rows, half_cols = ROWS // 2, COLS // 2
    return [(int(y * half_rows / TILE + row * half_rows), int(x * half_cols / TILE + col * half_cols)) for y, x in alone]


def run(form, draws, networks):
    """Canvases as the merge leaves them, labels of the slices, points (z, y, x)."""
    unet, vae, context = networks
    stacks = [[], [], [], []]
    for z, slice_ in enumerate(volume()):
        frame = cv2.resize(enhance(slice_, form == "paper").astype(np.float32), (2 * TILE, 2 * TILE),
                           interpolation=cv2.INTER_LINEAR)
        for tile in range(4):
            row, col = divmod(tile, 2)
            image = frame[row * TILE:(row + 1) * TILE, col * TILE:(col + 1) * TILE]
            prefix = f"{form}.z{z}.t{tile}."
            mine = {name.removeprefix(prefix): t for name, t in draws.items() if name.startswith(prefix)}
            vectors = eigenvectors(mine, image, unet, vae, context, form)
            stacks[tile].append(canvas_of(list(vectors[:10 if form == "code" else 12])))
            print(form, z, tile, "none" if stacks[tile][-1] is None else contours(stacks[tile][-1]), flush=True)
    used = [smoothed(stack) for stack in stacks] if form == "paper" else stacks
    labels, points = np.zeros((SLICES, ROWS, COLS), np.int8), []
    for z in range(SLICES):
        frame, whole = np.zeros((2 * TILE, 2 * TILE), np.int8), True
        for tile in range(4):
            row, col = divmod(tile, 2)
            canvas = used[tile][z]
            if canvas is None:
                whole = False
                continue
            membrane, molecules, accepted = split(canvas)
            if form == "paper":
                mended = ndimage.binary_closing(np.pad(membrane, 8), CROSS, iterations=2)[8:-8, 8:-8]
                mended = ndimage.binary_dilation(mended, CROSS)
                membrane = membrane | (mended & ~molecules)
            part = frame[row * TILE:(row + 1) * TILE, col * TILE:(col + 1) * TILE]
            part[membrane], part[molecules] = 1, 2
            points += [(z, *point) for point in points_of(accepted, membrane, row, col)]
        # The released code joins the masks of the four quadrants, where there are four.
        if whole:
            labels[z] = cv2.resize(frame, (COLS, ROWS), interpolation=cv2.INTER_NEAREST)
    reach, unique = np.ceil(15 / VOXEL_NM), []
    for point in points:
        if all(np.linalg.norm(np.subtract(point, other)) > reach for other in unique):
            unique.append(point)
    return stacks, labels, unique


def main(draws, folder):
    draws = load_file(draws)
    unet, vae, text = nets.build("sd1")
    with torch.no_grad():
        networks = unet, vae, text(nets.prompt_ids("sd1")).last_hidden_state
    answer = {}
    for form in ("code", "paper"):
        canvases, labels, points = run(form, draws, networks)
        for tile, stack in enumerate(canvases):
            for z, canvas in enumerate(stack):
                if canvas is not None:
                    # Every fourth pixel tells canvases apart.
                    answer[f"{form}.canvas.z{z}.t{tile}"] = torch.from_numpy(canvas[::4, ::4].copy())
        answer[f"{form}.labels"] = torch.from_numpy(labels)
        answer[f"{form}.points"] = torch.tensor(points, dtype=torch.int32).reshape(-1, 3)
        print(form, "labels", np.bincount(labels.ravel()), "points", points)
    save_file(answer, folder / "slab_released.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

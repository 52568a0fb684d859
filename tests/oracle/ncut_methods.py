#!/usr/bin/env python3
"""Small references for src/ncut and the matching in src/metrics: numpy, scipy and scikit-learn, written from the papers' steps.

    python tests/oracle/ncut_methods.py          # numpy 2, scipy 1.15 or later, scikit-learn 1.6 or later

Writes tests/fixtures/ncut_methods/*.json. Nothing here shares code with the crate.
"""
import json
from pathlib import Path

import numpy as np
from scipy.linalg import eigh
from scipy.ndimage import label, median_filter
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "ncut_methods"


def packed(array, digits=7):
    array = np.asarray(array)
    return {"shape": list(array.shape), "values": [float(f"{v:.{digits}g}") for v in array.ravel()]}


def write(name, content):
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")


def planted(side, rng, noise):
    """Three regions on a side x side grid: region of every token, and noisy features of it."""
    y, x = np.mgrid[:side, :side]
    region = np.where(x < side * 0.4, 0, np.where(y < side / 2, 1, 2)).ravel()
    centres = rng.normal(size=(3, 6)) * 2
    return region, centres[region] + rng.normal(size=(side * side, 6)) * noise


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def bilinear(plane, shape):
    """Half-pixel centres, clamped border."""
    h, w = plane.shape

    def at(big, small):
        p = np.maximum((np.arange(big) + 0.5) * small / big - 0.5, 0)
        low = np.minimum(np.floor(p).astype(int), small - 1)
        return low, np.minimum(low + 1, small - 1), p - low

    y0, y1, fy = at(shape[0], h)
    x0, x1, fx = at(shape[1], w)
    rows = plane[y0] * (1 - fy)[:, None] + plane[y1] * fy[:, None]
    return rows[:, x0] * (1 - fx) + rows[:, x1] * fx


# ---- DiffSeg ----


def kl(x, y):
    q = (np.log(x) - np.log(y)) * x
    k = (np.log(y) - np.log(x)) * y
    return q.sum() / 2 + k.sum() / 2


def diffseg(walk, side, m, tau, rounds):
    step = (side - 1) // (m - 1)
    start = (side - 1 - step * (m - 1)) // 2
    grid = [start + i * step for i in range(m)]
    maps = []
    for r in grid:
        for c in grid:
            anchor = walk[r * side + c]
            near = [row for row in walk if kl(anchor, row) < tau]
            maps.append(np.mean(near, axis=0))
    for _ in range(1, rounds):
        matched, merged = set(), []
        for i in range(len(maps)):
            if i in matched:
                continue
            near = [j for j in range(len(maps)) if kl(maps[i], maps[j]) < tau]
            matched.update(near)
            merged.append(np.mean([maps[j] for j in near], axis=0))
        maps = merged
    return np.array(maps)


def suppressed(maps, side, shape):
    big = np.stack([bilinear(m.reshape(side, side), shape) for m in maps])
    return [int(v) for v in big.argmax(0).ravel()]


def diffseg_fixture():
    rng = np.random.default_rng(7)
    side = 8
    _, features = planted(side, rng, 0.5)
    y, x = np.mgrid[:side, :side]
    place = np.stack([y.ravel(), x.ravel()], 1)
    distance = ((place[:, None] - place[None]) ** 2).sum(2)
    walk = softmax(features @ features.T / 3 - distance / 30)
    walk = walk.astype(np.float32).astype(np.float64)
    merged = diffseg(walk, side, 4, 0.6, 3)
    fit = KMeans(n_clusters=len(merged), init=merged, n_init=1).fit(walk)
    refined = np.stack([walk[fit.labels_ == k].mean(0) for k in range(len(merged))])
    write("diffseg.json", {
        "walk": packed(walk, 9),
        "merged": {"maps": packed(merged), "labels": suppressed(merged, side, (32, 32))},
        "refined": {"maps": packed(refined), "labels": suppressed(refined, side, (32, 32))},
    })
    print("diffseg:", len(merged), "maps")


# ---- DiffCut ----


def second_vector(weights):
    degree = weights.sum(1)
    scale = 1 / np.sqrt(degree)
    laplacian = np.eye(len(weights)) - scale[:, None] * weights * scale[None]
    vector = scale * eigh(laplacian, subset_by_index=[1, 1])[1][:, 0]
    return vector if vector[np.abs(vector).argmax()] > 0 else -vector


def ncut(weights, side_a):
    degree = weights.sum(1)
    cut = weights[np.ix_(side_a, ~side_a)].sum()
    return cut / degree[side_a].sum() + cut / degree[~side_a].sum()


def diffcut(weights, tau, steps):
    """Leaves of the recursion, each a sorted list of nodes."""
    leaves, stack = [], [np.arange(len(weights))]
    while stack:
        nodes = stack.pop()
        if len(nodes) < 2:
            leaves.append(nodes)
            continue
        sub = weights[np.ix_(nodes, nodes)]
        vector = second_vector(sub)
        best = (np.inf, None)
        for threshold in np.linspace(0.99 * vector.min(), 0.99 * vector.max(), steps):
            side_a = vector > threshold
            if 0 < side_a.sum() < len(nodes):
                cost = ncut(sub, side_a)
                if cost < best[0]:
                    best = (cost, side_a)
        if best[1] is None or best[0] >= tau:
            leaves.append(nodes)
        else:
            stack += [nodes[best[1]], nodes[~best[1]]]
    return leaves


def diffcut_fixture():
    rng = np.random.default_rng(3)
    side, alpha, tau = 8, 10, 0.5
    _, features = planted(side, rng, 0.8)
    features = features.astype(np.float32).astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    weights = ((cosine - cosine.min()) / (cosine.max() - cosine.min())) ** alpha
    leaves = sorted(diffcut(weights, tau, 100), key=lambda nodes: nodes.min())
    tokens = np.zeros(side * side, int)
    for k, nodes in enumerate(leaves):
        tokens[nodes] = k
    means = np.stack([unit[tokens == k].mean(0) for k in range(len(leaves))])
    planes = np.stack([bilinear(f.reshape(side, side), (32, 32)) for f in unit.T])
    labels = np.einsum("kc,chw->khw", means, planes).argmax(0)
    write("diffcut.json", {
        "features": packed(features, 9), "tokens": tokens.tolist(), "means": packed(means),
        "labels": labels.ravel().tolist(),
    })
    print("diffcut:", len(leaves), "segments")


# ---- TokenCut, MaskCut ----


def token_graph(features, tau):
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(length == 0, 1, length)
    return np.where(unit @ unit.T > tau, 1.0, 1e-5)


def generalised(weights):
    degree = np.diag(weights.sum(1))
    return eigh(degree - weights, degree, subset_by_index=[1, 1])[1][:, 0]


def component(mask, seed):
    parts, _ = label(mask)
    return parts == parts[seed]


def first_largest(values):
    """Like tokens differ by rounding only: the first of those within a millionth of the largest."""
    most = values.max()
    return int(np.nonzero(values >= most - 1e-6 * abs(most))[0][0])


def tokencut(features, side, tau):
    vector = generalised(token_graph(features, tau))
    mask = vector > vector.mean()
    seed = first_largest(np.abs(vector))
    if not mask[seed]:
        mask = ~mask
    return component(mask.reshape(side, side), divmod(seed, side))


def maskcut(features, side, tau, count):
    painted = np.zeros((side, side), bool)
    found, current = [], None
    for i in range(count):
        left = features * ~painted.ravel()[:, None]
        vector = generalised(token_graph(left, tau))
        mask = vector > vector.mean()
        square = mask.reshape(side, side)
        corners = sum(int(square[r, c]) for r in (0, -1) for c in (0, -1))
        reverse = corners >= 3 or not mask[first_largest(np.abs(vector))]
        if reverse:
            vector, square = -vector, ~square
        seed = divmod(first_largest(vector), side)
        mask = component(square, seed)
        if i > 0:
            overlap = (mask & current).sum() / max((mask | current).sum(), 1)
            if overlap > 0.5 or mask.mean() <= 0.01:
                mask = np.zeros_like(mask)
        current = mask
        found.append(mask & ~painted)
        painted |= mask
    labels = np.zeros((side, side), int)
    for i, mask in enumerate(found):
        labels[mask] = i + 1
    return labels


def objects_fixture():
    rng = np.random.default_rng(11)
    side = 12
    y, x = np.mgrid[:side, :side]
    kind = np.zeros((side, side), int)
    kind[2:7, 2:6] = 1
    kind[7:11, 7:11] = 2
    kind[0:2, 9:12] = 2  # another piece of the second kind, apart from it
    centres = np.array([[3.0, 0, 0, 0.4], [0, 3, 0.3, 0], [0.3, 0, 3, 0]])
    features = centres[kind.ravel()] + rng.normal(size=(side * side, 4)) * 0.25
    features = features.astype(np.float32).astype(np.float64)
    write("objects.json", {
        "features": packed(features, 9), "grid": [side, side],
        "tokencut": tokencut(features, side, 0.2).astype(int).ravel().tolist(),
        "maskcut": maskcut(features, side, 0.2, 3).ravel().tolist(),
    })
    print("tokencut:\n", tokencut(features, side, 0.2).astype(int), "\nmaskcut:\n", maskcut(features, side, 0.2, 3))


# ---- k-means, PAMR, matching ----


def kmeans_fixture():
    rng = np.random.default_rng(5)
    _, data = planted(8, rng, 1.5)
    data = data.astype(np.float32).astype(np.float64)
    init = data[[0, 1, 40, 63]]
    fit = KMeans(n_clusters=4, init=init, n_init=1, tol=0).fit(data)
    write("kmeans.json", {
        "data": packed(data, 9), "init": packed(init, 9), "labels": fit.labels_.tolist(),
        "centres": packed(fit.cluster_centers_),
    })


def pamr(image, masks, rounds, dilations):
    channels, h, w = image.shape

    def neighbours(planes, d):
        padded = np.pad(planes, ((0, 0), (d, d), (d, d)), mode="edge")
        offsets = [(dy, dx) for dy in (-d, 0, d) for dx in (-d, 0, d)]
        return [padded[:, d + dy:d + dy + h, d + dx:d + dx + w] for dy, dx in offsets]

    around = [n for d in dilations for n in neighbours(image, d)]
    sigma = np.std(np.stack(around), axis=0, ddof=1)
    others = [n for d in dilations for k, n in enumerate(neighbours(image, d)) if k != 4]
    logits = np.stack([-np.abs(image - n) / (1e-8 + 0.1 * sigma) for n in others]).mean(1)
    weight = np.exp(logits - logits.max(0))
    weight /= weight.sum(0)
    for _ in range(rounds):
        others = [n for d in dilations for k, n in enumerate(neighbours(masks, d)) if k != 4]
        masks = sum(wt[None] * n for wt, n in zip(weight, others))
    return masks


def pamr_fixture():
    rng = np.random.default_rng(2)
    h, w = 12, 14
    y, x = np.mgrid[:h, :w]
    region = np.where((y - 5) ** 2 + (x - 6) ** 2 < 14, 0, np.where(x < 7, 1, 2))
    tone = np.array([[0.9, 0.2, 0.3], [0.2, 0.6, 0.5], [0.4, 0.3, 0.8]])
    image = np.moveaxis(tone[region] + rng.normal(size=(h, w, 3)) * 0.03, 2, 0)
    image = image.astype(np.float32).astype(np.float64)
    rough = np.roll(region, 1, axis=1)
    rough[rng.random((h, w)) < 0.1] = 2
    masks = np.stack([(rough == k).astype(float) for k in range(3)])
    refined = pamr(image, masks, 4, [1, 3])
    labels = median_filter(refined.argmax(0), size=3)
    write("pamr.json", {
        "image": packed(image, 9), "masks": packed(masks), "refined": packed(refined), "labels": packed(labels),
    })


def matching_fixture():
    rng = np.random.default_rng(13)
    cases = []
    for rows, cols in [(1, 1), (3, 3), (5, 9), (9, 5), (12, 12), (30, 41)]:
        for whole in (True, False):
            weights = rng.integers(0, 20, (rows, cols)).astype(float) if whole else rng.normal(size=(rows, cols))
            r, c = linear_sum_assignment(weights, maximize=True)
            cases.append({"weights": packed(weights, 17), "total": float(weights[r, c].sum())})
    images = []
    counts = {}
    for _ in range(3):
        truth = rng.integers(0, 4, (9, 11)) * 3
        segments = (truth // 3 * 2 + 1 + (rng.random(truth.shape) < 0.3) * rng.integers(1, 4, truth.shape))
        s, t = np.unique(segments), np.unique(truth)
        table = np.array([[((segments == a) & (truth == b)).sum() for b in t] for a in s])
        r, c = linear_sum_assignment(table, maximize=True)
        named = np.full(truth.shape, -1)
        for i, j in zip(r, c):
            named[segments == s[i]] = t[j]
        for k in t:
            both, p, g = counts.get(int(k), (0, 0, 0))
            counts[int(k)] = (both + ((named == k) & (truth == k)).sum(), p + (named == k).sum(), g + (truth == k).sum())
        images.append({"segments": packed(segments), "truth": packed(truth)})
    values = np.array(list(counts.values()), float)
    both, p, g = values.T
    write("matching.json", {
        "cases": cases, "images": images,
        "per_image": {"accuracy": both.sum() / g.sum(), "mean_iou": (both / (p + g - both)).mean(),
                      "mean_f1": (2 * both / (p + g)).mean()},
    })


if __name__ == "__main__":
    diffseg_fixture()
    diffcut_fixture()
    objects_fixture()
    kmeans_fixture()
    pamr_fixture()
    matching_fixture()

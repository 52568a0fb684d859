"""Oracle of src/spectral/cut: recursive normalised cuts from their definitions, by dense eigensolvers, every threshold
tried by itself, plus scikit-learn's spectral clustering of the planted graphs.

pip install numpy scipy scikit-learn
python tests/oracle/ncut_reference.py > tests/fixtures/ncut/reference.json

Made with scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6. The graphs are made of hashed numbers (hashed.py), by the same
arithmetic in tests/ncut_graph/graphs.rs, so no matrix is stored.
"""
import json
import sys

import numpy as np
from scipy import linalg
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import SpectralClustering

from hashed import uniform

SAME = 1e-6


def planted(name, sizes, groups, inside, group, outside, noise, asymmetric=False):
    """Blocks of the given sizes; weight `inside` within a block, `group` between blocks of one group, `outside` between
    groups, each times 1 + noise u."""
    n = sum(sizes)
    block = np.repeat(np.arange(len(sizes)), sizes)
    grouped = np.array(groups)[block]
    base = np.where(block[:, None] == block[None], inside, np.where(grouped[:, None] == grouped[None], group, outside))
    u = uniform(name, n * n).astype(np.float64).reshape(n, n)
    if not asymmetric:
        u = np.triu(u) + np.triu(u, 1).T
    return (base * (1.0 + noise * u)).astype(np.float32)


def path(n):
    a = np.zeros((n, n), np.float32)
    i = np.arange(n - 1)
    a[i, i + 1] = a[i + 1, i] = 1
    return a


def with_isolated(a, nodes):
    a = a.copy()
    a[nodes] = 0
    a[:, nodes] = 0
    return a


def stochastic(a):
    a = a.astype(np.float64)
    return (a / a.sum(1, keepdims=True)).astype(np.float32)


def power(p, k):
    return np.linalg.matrix_power(p.astype(np.float64), k)


def settled(y):
    largest = np.abs(y).max()
    first = np.flatnonzero(np.abs(y) >= (1 - SAME) * largest)[0]
    return y * np.sign(y[first]) / largest


def second_vector(w, walk):
    if walk:
        values, vectors = linalg.eig(w)
        order = np.argsort(-values.real)
        # 1 is the eigenvalue of the constant; the next one must be real for this reference.
        value, vector = values[order[1]], vectors[:, order[1]]
        assert abs(value.imag) < 1e-9 and abs(values[order[0]] - 1) < 1e-6
        assert value.real - values[order[2]].real > 1e-3, "nearly degenerate"
        y = (vector / vector[np.argmax(np.abs(vector))]).real
        return value.real, settled(y - y.mean()), None
    d = w.sum(1)
    values, vectors = linalg.eigh(np.diag(d) - w, np.diag(d))
    gap = values[2] - values[1] if len(values) > 2 else 1.0
    return 1 - values[1], settled(vectors[:, 1]), gap


def costs(w, side, walk):
    """NCut and cut by the definition, for the mask of one side."""
    ab, ba = w[side][:, ~side].sum(), w[~side][:, side].sum()
    vol_a, vol_b = w[side].sum(), w[~side].sum()
    share = lambda cut, vol: cut / vol if cut > 0 and vol > 0 else 0.0
    return share(ab, vol_a) + share(ba, vol_b), 0.5 * (ab + ba)


def sweep(w, y, kind, walk):
    order = np.argsort(y, kind="stable")
    ranked = y[order]
    if kind == "all":
        below = [k for k in range(1, len(y)) if ranked[k] - ranked[k - 1] > 1e-7 * np.abs(y).max()]
    elif kind == "mean":
        below = [int((y <= y.mean()).sum())]
    elif kind == "zero":
        below = [int((y <= 0).sum())]
    else:
        below = [int((y <= t).sum()) for t in np.linspace(0.99 * y.min(), 0.99 * y.max(), int(kind))]
    below = [k for k in dict.fromkeys(below) if 0 < k < len(y)]
    if not below:
        return None
    found = []
    for k in below:
        side = np.zeros(len(y), bool)
        side[order[k:]] = True
        found.append((*costs(w, side, walk), side))
    best = min(f[0] for f in found)
    close = [f for f in found if f[0] <= best + 1e-9]
    others = [f[0] for f in found if f[0] > best + 1e-9]
    # A fixture decides nothing where float32 noise could.
    assert not others or min(others) > best + 1e-6, (best, sorted(others)[:3])
    return close[0]


def judge(w, ncut, cut, criterion, threshold):
    ties = w.sum(1) - np.diag(w)
    edges = 0.5 * ties.sum()
    bound = edges / (len(w) - 1)
    if criterion == "fixed":
        return ncut, threshold
    if criterion == "manc_ncut":
        return ncut, bound
    return (cut if criterion == "manc_mincut" else ties.min()) / edges, bound


def recursion(w, walk, criterion="manc_ncut", threshold=0.0, sweep_kind="all", min_nodes=2, max_segments=256,
              max_depth=10**9):
    w = w.astype(np.float64)
    n = len(w)
    nodes = [dict(members=np.arange(n), depth=0, parent=-1, apart=None)]
    heap = []

    def look(i):
        node = nodes[i]
        members = node["members"]
        known = node["apart"]
        if len(members) < min_nodes:
            node["stop"] = "min-nodes"
        elif node["depth"] >= max_depth and not known:
            node["stop"] = "max-depth"
        elif count_segments[0] >= max_segments:
            node["stop"] = "max-segments"
        if "stop" in node:
            return
        sub = w[np.ix_(members, members)]
        if walk and len(members) < n:
            sums = sub.sum(1, keepdims=True)
            sub = np.divide(sub, sums, out=np.zeros_like(sub), where=sums > 0)
        if not known:
            if sub.sum() == 0:
                node["stop"] = "no-edges"
                return
            _, label = connected_components(sub > 0, directed=walk, connection="weak")
            parts = [members[label == k] for k in range(label.max() + 1)]
            lone = [p for p in parts if len(p) == 1 and w[p[0], p[0]] == 0]
            joined = [p for p in parts if not (len(p) == 1 and w[p[0], p[0]] == 0)]
            volume = {id(p): sub[np.isin(members, p)].sum() for p in joined}
            joined.sort(key=lambda p: (-volume[id(p)], p[0]))
            known = joined + ([np.sort(np.concatenate(lone))] if lone else [])
        if len(known) > 1:
            rest = known[1:]
            node["ncut"], node["eigenvalue"] = 0.0, 1.0
            node["split"] = [(known[0], None), (np.sort(np.concatenate(rest)), rest if len(rest) > 1 else None)]
        else:
            value, y, gap = second_vector(sub, walk)
            best = sweep(sub, y, sweep_kind, walk)
            if best is None:
                node["stop"] = "uniform"
                return
            ncut, cut, side = best
            compared, limit = judge(sub, ncut, cut, criterion, threshold)
            assert abs(compared - limit) > 1e-5, "undecided"
            node.update(ncut=ncut, cut=cut, value=compared, limit=limit, eigenvalue=value)
            node["gap"] = gap
            if compared >= limit:
                node["stop"] = "criterion"
                return
            node["split"] = [(members[~side], None), (members[side], None)]
        heap.append((node["ncut"], int(members.min()), i))

    count_segments = [1]
    look(0)
    while heap:
        heap.sort()
        _, _, i = heap.pop(0)
        node = nodes[i]
        if count_segments[0] >= max_segments:
            node["stop"] = "max-segments"
            continue
        count_segments[0] += 1
        node["children"] = []
        for part, apart in sorted(node["split"], key=lambda s: s[0].min()):
            node["children"].append(len(nodes))
            nodes.append(dict(members=np.sort(part), depth=node["depth"] + (apart is None), parent=i, apart=apart))
        for child in node["children"]:
            look(child)
    leaves = sorted((x for x in nodes if "children" not in x), key=lambda x: x["members"].min())
    labels = np.zeros(n, int)
    for k, leaf in enumerate(leaves):
        labels[leaf["members"]] = k
    keep = ("ncut", "cut", "value", "limit", "eigenvalue", "stop", "children", "depth", "parent")
    report = []
    for node in nodes:
        entry = {k: node[k] for k in keep if k in node}
        entry["first"], entry["count"] = int(node["members"].min()), len(node["members"])
        report.append(entry)
    return dict(labels=labels.tolist(), nodes=report)


TWO_LEVEL = dict(sizes=[30, 50, 20, 60], groups=[0, 0, 1, 1], inside=1.0, group=0.25, outside=0.05, noise=0.5)
LARGE = dict(sizes=[60, 90, 100, 70, 80], groups=[0, 0, 1, 1, 2], inside=0.9, group=0.2, outside=0.03, noise=0.75)
SMALL = dict(sizes=[7, 9, 5], groups=[0, 0, 1], inside=1.0, group=0.2, outside=0.02, noise=0.4)
APART = dict(sizes=[40, 30, 25, 45], groups=[0, 0, 1, 2], inside=1.0, group=0.1, outside=0.0, noise=0.6)
EQUAL = dict(sizes=[50, 50, 50], groups=[0, 1, 2], inside=1.0, group=1.0, outside=0.125, noise=0.0)


def graphs():
    two, large, small, apart = (planted(n, **k) for n, k in
                                [("two", TWO_LEVEL), ("large", LARGE), ("small", SMALL), ("apart", APART)])
    walk = stochastic(planted("walk", asymmetric=True, **TWO_LEVEL))
    small_walk = stochastic(planted("small walk", asymmetric=True, **SMALL))
    dot = lambda p, k: power(p, k) @ power(p, k).T

    def cosine(p, k):
        q = power(p, k)
        q /= np.linalg.norm(q, axis=1, keepdims=True)
        return q @ q.T

    return {
        "two": two, "large": large, "small": small, "apart": apart,
        "isolated": with_isolated(planted("isolated", **TWO_LEVEL), [3, 77, 159]),
        "equal": planted("equal", **EQUAL), "path": path(9), "pair": path(2),
        "walk": walk, "small walk": small_walk,
        "dot 1": dot(walk, 1), "dot 3": dot(walk, 3), "cosine 1": cosine(walk, 1), "dot small": dot(small_walk, 1),
    }


RUNS = [
    ("two", dict(criterion="fixed", threshold=0.6)),
    ("two", dict(criterion="fixed", threshold=0.9, max_segments=3)),
    ("two", dict(criterion="fixed", threshold=0.35, sweep_kind="100")),
    ("two", dict(criterion="fixed", threshold=0.6, sweep_kind="mean")),
    ("two", dict(criterion="fixed", threshold=0.6, sweep_kind="zero")),
    ("two", dict(criterion="fixed", threshold=0.6, max_depth=1)),
    ("two", dict(criterion="fixed", threshold=0.6, min_nodes=90)),
    ("large", dict(criterion="fixed", threshold=0.7)),
    ("small", dict(criterion="fixed", threshold=0.6)),
    ("small", dict(criterion="fixed", threshold=1.9, max_segments=12)),
    ("apart", dict(criterion="fixed", threshold=0.5)),
    ("isolated", dict(criterion="fixed", threshold=0.6)),
    ("equal", dict(criterion="fixed", threshold=0.6)),
    ("path", dict(criterion="fixed", threshold=0.9)),
    ("pair", dict(criterion="fixed", threshold=1.9)),
    ("walk", dict(criterion="fixed", threshold=0.6, min_nodes=70)),
    ("walk", dict(criterion="manc_ncut")),
    ("small walk", dict(criterion="fixed", threshold=0.6, min_nodes=10)),
    ("dot 1", dict(criterion="manc_ncut")),
    ("dot 1", dict(criterion="manc_mincut", max_depth=2)),
    ("dot 1", dict(criterion="manc_min_degree", max_depth=2)),
    ("dot 3", dict(criterion="manc_mincut", max_depth=1)),
    ("dot small", dict(criterion="manc_ncut")),
    ("cosine 1", dict(criterion="fixed", threshold=0.5)),
]


def main():
    made = graphs()
    runs = []
    for name, options in RUNS:
        try:
            result = recursion(made[name], "walk" in name, **options)
        except AssertionError as error:
            print(f"{name} {options}: {error}", file=sys.stderr)
            continue
        # The first two eigenvectors of equal blocks span a plane: the leaves are unique, the tree is not.
        runs.append(dict(graph=name, options=options, unique_tree=name != "equal", **result))
    clusters = {}
    for name, k in [("two", 4), ("large", 5), ("small", 3), ("equal", 3)]:
        model = SpectralClustering(k, affinity="precomputed", assign_labels="cluster_qr", random_state=0)
        labels = model.fit_predict(made[name].astype(np.float64))
        order = {int(c): r for r, c in enumerate(dict.fromkeys(labels.tolist()))}
        clusters[name] = dict(k=k, labels=[order[int(c)] for c in labels])
    checks = {name: [float(np.asarray(a, np.float64).sum()), float(np.asarray(a[0], np.float64) @ np.arange(len(a)))]
              for name, a in made.items()}
    round_off = lambda x: float(f"{x:.10g}")
    text = json.dumps(dict(checks=checks, spectral_clustering=clusters, runs=runs), separators=(",", ":"))
    json.dump(json.loads(text, parse_float=lambda s: round_off(float(s))), sys.stdout, separators=(",", ":"))
    print()


main()

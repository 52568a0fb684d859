"""The engine's eigenvectors beside scipy's and ncut_pytorch's, on the same matrices in one run.

pip install numpy scipy torch ncut_pytorch
cargo bench --bench ncut --no-run          # prints the program's path
python benches/ncut_peers.py PROGRAM FOLDER [sizes, default 4096,16384]

FOLDER receives the matrices (about 2 GiB). One line per method: median of three runs (scipy's eigh: one), residual
||M u - mu u|| of the unit second eigenvector in float64, and the peak memory of the engine. ncut_pytorch takes features, not a
graph: its own affinity is handed to the engine, with ncut_pytorch's time for making it counted on both sides. Above
8192 nodes ncut_pytorch samples a quarter of them and propagates.
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from ncut_pytorch import ncut_fn
from ncut_pytorch.utils.math import rbf_affinity
from ncut_pytorch.utils.sigma import find_sigma
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

THREADS = 2
torch.set_num_threads(THREADS)


def timed(work, runs=3):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def normalised(a):
    d = a.sum(1, dtype=np.float64)
    m = a / np.sqrt(d)[:, None].astype(np.float32)
    m /= np.sqrt(d)[None].astype(np.float32)
    return m, d


def residual(m, u):
    """||M u - mu u|| with the constant vector taken out by nobody; float64 in row blocks."""
    u = u.astype(np.float64) / np.linalg.norm(u.astype(np.float64))
    mu_u = np.concatenate([m[i : i + 1024].astype(np.float64) @ u for i in range(0, len(m), 1024)])
    theta = u @ mu_u
    return np.linalg.norm(mu_u - theta * u), theta


def engine(program, file, m, d):
    env = dict(os.environ, TOMOCUT_NCUT_MATRIX=file, OMP_WAIT_POLICY="PASSIVE", OMP_NUM_THREADS=str(THREADS))
    best = json.loads(subprocess.run([program], env=env, check=True, capture_output=True, text=True).stdout)
    y = np.load(file + ".vector.npy")[0]
    best["checked"] = residual(m, y * np.sqrt(d))
    return best


def line(name, seconds, found, more=""):
    print(f"  {name:34s} {seconds:8.3f} s   residual {found[0]:.1e}   mu {found[1]:.7f}   {more}", flush=True)


def against_scipy(program, file):
    a = np.load(file)
    m, d = normalised(a)
    n = len(a)
    print(f"{os.path.basename(file)}: {n} nodes, load {os.getloadavg()[0]:.1f}")
    ours = engine(program, file, m, d)
    more = f"{ours['products']} products; recursion to {ours['segments']} segments {ours['recursion_s']:.2f} s; " \
           f"peak {ours['peak_mib'] - ours['start_mib']:.0f} MiB + input {n * n * 4 / 2**20:.0f} MiB"
    line("engine", ours["second_vector_s"], ours["checked"], more)
    products = [0]

    def multiply(x):
        products[0] += 1
        return m @ x

    for tolerance in (1e-5, 1e-4, 1e-3):
        v0 = np.random.default_rng(0).standard_normal(n).astype(np.float32)
        operator = LinearOperator((n, n), matvec=multiply, dtype=np.float32)
        products[0] = 0
        seconds, (_, u) = timed(lambda: eigsh(operator, k=2, which="LA", tol=tolerance, v0=v0))
        line(f"scipy eigsh (ARPACK) tol {tolerance:.0e}", seconds, residual(m, u[:, 0]), f"{products[0] // 3} products")
    again = engine(program, file, m, d)
    line("engine, again", again["second_vector_s"], again["checked"])
    ours["second_vector_s"] = min(ours["second_vector_s"], again["second_vector_s"])
    if n <= 4096:
        seconds, (_, u) = timed(lambda: eigh(m, subset_by_index=[n - 2, n - 2]), runs=1)
        line("scipy eigh (subset), float32", seconds, residual(m, u[:, 0]), f"{seconds / ours['second_vector_s']:.0f}x")


def against_ncut_pytorch(program, folder, n):
    x = torch.from_numpy(np.load(f"{folder}/features_{n}.npy"))
    sigma = float(find_sigma(x[:: max(1, n // 2048)]))
    with torch.no_grad():
        build, a = timed(lambda: rbf_affinity(x, sigma=sigma))
        file = f"{folder}/rbf_{n}.npy"
        a = a.numpy()
        a = np.ascontiguousarray((a + a.T) / 2)
        np.save(file, a)
        m, d = normalised(a)
        del a
        print(f"rbf on features: {n} nodes, load {os.getloadavg()[0]:.1f}; affinity alone {build:.2f} s")
        ours = engine(program, file, m, d)
        line("engine, second vector", ours["second_vector_s"], ours["checked"], f"{ours['products']} products")
        line("engine, with the affinity", ours["second_vector_s"] + build, ours["checked"])
        line("engine, ten vectors", ours["ten_vectors_s"], (ours["ten_residual"], 0), f"{ours['ten_products']} products")
        for n_eig in (2, 10, 100):
            seconds, (u, _) = timed(lambda: ncut_fn(x, n_eig=n_eig, sigma=sigma, device="cpu"))
            vectors = [u[:, 1].numpy(), u[:, 1].numpy() * np.sqrt(d)]
            line(f"ncut_pytorch, n_eig {n_eig}", seconds, min(residual(m, v) for v in vectors))


def main():
    program, folder = sys.argv[1:3]
    sizes = [int(s) for s in (sys.argv[3] if len(sys.argv) > 3 else "4096,16384").split(",")]
    if not os.path.exists(f"{folder}/features_16384.npy"):
        subprocess.run([program], env=dict(os.environ, TOMOCUT_NCUT_EXPORT=folder), check=True)
    # A picture without regions: neighbours on a 64 x 64 grid of 1.25 : 1, gaps of a few thousandths.
    y, x = np.divmod(np.arange(4096), 64)
    far = ((y[:, None] - y) * 1.25) ** 2.0 + (x[:, None] - x) ** 2.0
    smooth = np.exp(-far / (2 * 5.0**2)).astype(np.float32)
    smooth *= 1 + 0.2 * np.abs(np.sin(np.add.outer(np.arange(4096), np.arange(4096)))).astype(np.float32)
    np.save(f"{folder}/smooth_4096.npy", smooth + np.float32(1e-4))
    if 4096 in sizes:
        for name in ("dot_4096", "smooth_4096"):
            against_scipy(program, f"{folder}/{name}.npy")
    for n in sizes:
        against_ncut_pytorch(program, folder, n)
    print(f"peak of this script {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")


main()

"""SDSeg at its published size (413 million weights, random) beside the same network in PyTorch: seconds and peak memory of a direct step on
one picture of 256 x 256, each in a process of its own, in turns.

    cargo build --release --bin tomocut-measure-sdseg
    python benches/sdseg_peers.py [--rounds N] [--threads N]

Needs: torch 2.11, numpy. Ratios below one mean that tomocut is the faster, or the smaller.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ["encoder", "unet", "decoder", "direct", "peak_mib"]


def peer(runs, threads):
    """This process as the peer: PyTorch in eager mode, without gradients."""
    import torch

    sys.path.insert(0, str(ROOT / "tests" / "oracle"))
    from sdseg_torch import SdSeg

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = SdSeg().eval()
    image, noise = torch.rand(1, 3, 256, 256) * 2 - 1, torch.randn(1, 4, 32, 32)
    t = torch.tensor([999])
    times = {part: [] for part in PARTS[:4]}

    def timed(part, work):
        began = time.perf_counter()
        result = work()
        times[part].append(time.perf_counter() - began)
        return result

    with torch.inference_mode():
        for _ in range(runs + 1):
            condition = timed("encoder", lambda: net.condition(image))
            timed("unet", lambda: net.noise(noise, condition, t))
            timed("decoder", lambda: net.decode(noise))
            timed("direct", lambda: net.direct(image, noise))
    report = {part: statistics.median(values[1:]) for part, values in times.items()}
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report["weights"] = sum(tensor.numel() for tensor in net.state_dict().values())
    print(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each, in turns")
    parser.add_argument("--runs", type=int, default=2, help="of each process, after one that warms up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program", default=str(ROOT / "target" / "release" / "tomocut-measure-sdseg"))
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.peer:
        return peer(a.runs, a.threads)
    environment = dict(os.environ, OMP_NUM_THREADS=str(a.threads))
    numbers = [f"--runs={a.runs}", f"--threads={a.threads}"]
    commands = {"tomocut": [a.program, "--full-size", *numbers],
                "pytorch": [sys.executable, __file__, "--peer", *numbers]}
    found = {name: [] for name in commands}
    for _ in range(a.rounds):
        for name, command in commands.items():
            run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            found[name].append(json.loads(run.stdout.strip().splitlines()[-1]))
            print(name, run.stdout.strip(), flush=True)
    median = {name: {part: statistics.median(report[part] for report in reports) for part in PARTS}
              for name, reports in found.items()}
    print("\n| part | tomocut | PyTorch | ratio |\n| --- | --- | --- | --- |")
    for part in PARTS:
        ours, theirs = median["tomocut"][part], median["pytorch"][part]
        print(f"| {part} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} |")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""What the image cache's own operations cost, without a server: times by bench_lookup, and instructions by valgrind's callgrind, as
the difference between many operations and few. Instructions are the same in every run; they do not show waiting for memory.
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("zipf", "hot", "handle", "hot-handle", "miss", "insert")
POLICIES = ("s3-fifo", "lru")
FEW, MANY = 20_000, 120_000


def instructions(program, kind, policy, operations, folder):
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program, "--count", kind, policy, str(operations)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return int(found.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--operations", type=int, default=1_000_000, help="per measurement of time (default: %(default)s)")
    parser.add_argument("--only-times", action="store_true", help="do not count instructions")
    options = parser.parse_args()
    program = ROOT / "build/bench_lookup"
    subprocess.run([program, str(options.operations)], check=True)
    if options.only_times:
        return 0
    print(f"\n{'':10}" + "".join(f"{policy:>10}" for policy in POLICIES) + "   (instructions per operation)")
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            costs = []
            for policy in POLICIES:
                few, many = (instructions(program, kind, policy, n, folder) for n in (FEW, MANY))
                costs.append((many - few) / (MANY - FEW))
            print(f"{kind:10}" + "".join(f"{cost:10.0f}" for cost in costs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

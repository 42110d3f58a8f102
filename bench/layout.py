#!/usr/bin/python3
"""What becomes of a cache's memory with different allocators under the same load (bench/bench_layout.c): each run in a process of
its own, medians over the rounds.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYOUTS = ("tamed", "glibc", "jemalloc", "mmap", "arena", "arena-all", "arena-4k")
COLUMNS = (("live", "RSS/live", "8.3f"), ("drop", "dropped %", "10.1f"), ("purged", "purged %", "9.1f"), ("kept", "RSS/kept", "9.3f"),
           ("arena_ms", "arena ms", "9.1f"), ("heap_ms", "heap ms", "8.1f"), ("malloc_stall_ms", "malloc stall", "13.2f"),
           ("blob_stall_ms", "blob stall", "11.2f"), ("residue", "residue MiB", "12.1f"), ("insert_us", "us/insert", "10.2f"))


def measure(layout, sizes, threads, mib):
    program = ROOT / ("build/bench_layout_4k" if layout == "arena-4k" else "build/bench_layout")
    environment = dict(os.environ)
    if layout == "jemalloc":
        environment["LD_PRELOAD"] = "libjemalloc.so.2"
    command = [program, "arena" if layout == "arena-4k" else layout, sizes, str(threads), str(mib)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def summarise(runs):
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--layouts", default=",".join(LAYOUTS), help="(default: %(default)s)")
    parser.add_argument("--sizes", default="mixed,small,pictures,all", help="(default: %(default)s)")
    parser.add_argument("--threads", default="1,4,8", help="(default: %(default)s)")
    parser.add_argument("--mib", type=int, default=256, help="capacity of the cache (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    layouts = options.layouts.split(",")
    for sizes in options.sizes.split(","):
        for threads in options.threads.split(","):
            runs = {layout: [] for layout in layouts}
            for _ in range(options.rounds):
                for layout in layouts:
                    runs[layout].append(measure(layout, sizes, threads, options.mib))
            print(f"\n{sizes}, {threads} threads, {options.mib} MiB")
            print(f"{'':10}" + "".join(f"{title:>{format.split('.')[0]}}" for _, title, format in COLUMNS))
            for layout in layouts:
                values = summarise(runs[layout])
                print(f"{layout:10}" + "".join(f"{values[name]:{format}}" for name, _, format in COLUMNS), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

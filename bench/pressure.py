#!/usr/bin/python3
"""What the pressure coordinator costs. README.md says how to read it.

First its parts alone, without a server: times by bench_pressure, instructions by valgrind's callgrind, as the difference between many
operations and few; and the share of one CPU that its thread takes at each of its periods. Then hits, of a server with the coordinator
and of one without (bench/no_pressure.c), side by side: instructions per hit, and in each round requests per second and CPU time, with
the former a second time for the noise. The samples are short and many, so that what else the machine does meanwhile falls on all alike.
"""

import argparse
import random
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import hits
import instructions
import load
import servers

KINDS = ("filter", "reserve", "kick", "first-kick", "sample", "sample-group", "step")
FEW, MANY = 1_000, 11_000
PERIODS_MS = (1000, 250, 100, 25)
PROGRAM = servers.ROOT / "build/bench_pressure"


class SluiceAgain(servers.Sluice):
    name = "sluice again"


class WithoutPressure(servers.Sluice):
    name = "without pressure"
    module = servers.ROOT / "build/sluice-no-pressure.so"


# --- the parts


def counted(kind, operations, folder):
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", PROGRAM, "--count", kind, str(operations)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return int(found[1])


def report_parts(operations):
    times = subprocess.run([PROGRAM, str(operations)], check=True, capture_output=True, text=True).stdout.splitlines()
    cycle_ns = None
    with tempfile.TemporaryDirectory() as folder:
        for line in times:
            kind = line.split()[0]
            if kind in KINDS:
                cost = (counted(kind, MANY, folder) - counted(kind, FEW, folder)) / (MANY - FEW)
                line += f" {cost:13.0f}"
            elif kind == "median":
                line += f" {'instructions':>13}"
            elif kind == "cycle":
                cycle_ns = float(line.split()[1])
            print(line, flush=True)
    shares = ", ".join(f"{cycle_ns / (ms * 1e6):.4%} at {ms} ms" for ms in PERIODS_MS)
    print(f"\nThe coordinator's thread takes of one CPU: {shares}.\n")


# --- hits


def not_left_out():
    """Functions of a running coordinator that the build without it still has."""
    headers = "".join(path.read_text() for path in sorted((servers.ROOT / "pressure").glob("*.h")) if "private" not in path.name)
    headers = re.sub(r"/\*.*?\*/|static inline[^;{]*[;{]", "", headers, flags=re.S)
    there = set(re.findall(r"\b(pressure_\w+)\(pressure_t \*", headers)) | {"pressure_create"}
    return sorted(there - set(re.findall(r"\bWRAP\([^,]*, (\w+)", (servers.ROOT / "bench/no_pressure.c").read_text())))


def report_instructions(size):
    servers.START_DEADLINE_S = instructions.START_DEADLINE_S
    costs = {}
    with hits.folder_in_memory() as folder:
        pictures = hits.Pictures(folder / "files", ["picture"], size)
        for each in (servers.Sluice, WithoutPressure):
            server = instructions.counted(each)(folder, pictures.files, load.Cores.usable())
            try:
                server.start()
                pictures.serve(hits.find_rendition(server, "picture", len(pictures.body)))
                costs[each] = instructions.per_request(server, ("--h1",))[0]
            finally:
                server.stop()
    on, off = costs[servers.Sluice], costs[WithoutPressure]
    print(f"instructions per hit: {on:,.0f} with the coordinator, {off:,.0f} without: {on - off:+,.0f}, {on / off - 1:+.2%}\n", flush=True)


def cpu_ns(server):
    """CPU time of all threads of a server so far, as the scheduler has it: a sample is short for the clock's ticks."""
    tasks = Path(f"/proc/{server.popen.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def take_sample(server, options, cores):
    """requests per second, and nanoseconds of CPU time per request"""
    version = ("--h1",) if options.protocol == "h1" else ()
    before = cpu_ns(server)
    command = ["h2load", "-t1", "-c16", f"-n{options.requests}", *version, server.url("picture")]
    text = load.run_pinned(command, cores.of_load(1))
    used = cpu_ns(server) - before
    if f"{options.requests} succeeded" not in text:
        raise SystemExit(f"{server.name}: not all requests succeeded:\n{text}")
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", text)
    return float(rate[1]), used / options.requests


def describe(ratios):
    """The median, and how far it would be off in two runs of three if rounds differ by chance alone."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    error = 1.25 * (high - low) / 1.35 / len(ratios) ** 0.5
    return f"{middle - 1:+8.2%} +- {error:.2%}   (half of the rounds: {low - 1:+.1%} to {high - 1:+.1%})"


def report_hits(options):
    cores, classes = load.Cores(), (servers.Sluice, SluiceAgain, WithoutPressure)
    samples = {each.name: [] for each in classes}
    shuffle = random.Random(options.seed).shuffle
    with hits.line_up(hits.Cell(options.size, options.protocol, 1), classes, cores, ["picture"]) as (running, _, body):
        for _ in range(options.rounds):
            order = list(running)
            shuffle(order)
            for server in order:
                samples[server.name].append(take_sample(server, options, cores))
    size = f"hits of {len(body)} bytes, {options.protocol}, 1 worker"
    print(f"{size}, {options.rounds} rounds of {options.requests} requests, seed {options.seed}\n")
    print(f"{'':20}{'req/s':>10}{'CPU us/req':>12}")
    for name, row in samples.items():
        print(f"{name:20}{statistics.median(rate for rate, _ in row):>10,.0f}{statistics.median(cpu for _, cpu in row) / 1e3:>12.2f}")
    print()
    for at, what in enumerate(("requests per second", "CPU time per request")):
        for one, other in ((servers.Sluice, WithoutPressure), (SluiceAgain, WithoutPressure), (SluiceAgain, servers.Sluice)):
            ratios = [a[at] / b[at] for a, b in zip(samples[one.name], samples[other.name])]
            print(f"{what:22}{one.name + ' / ' + other.name:32}{describe(ratios)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operations", type=int, default=1_000_000, help="per measurement of a part (default: %(default)s)")
    parser.add_argument("--parts", action="store_true", help="measure the parts alone, no server")
    parser.add_argument("--size", type=int, choices=(2, 20, 200), default=2, help="of the picture, in KB (default: 2)")
    parser.add_argument("--protocol", choices=("h1", "h2"), default="h1")
    parser.add_argument("--rounds", type=int, default=100, help="of hits, 3 at least (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=20_000, help="in a sample (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order of servers")
    options = parser.parse_args()
    report_parts(options.operations)
    if options.parts:
        return 0
    if not_left_out():
        print(f"bench/no_pressure.c does not leave out {', '.join(not_left_out())}")
    report_instructions(options.size)
    report_hits(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())

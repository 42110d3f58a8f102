#!/usr/bin/python3
"""Latency of hits in an open loop, at shares of what each server can do. README.md says how to read it.

First the capacity of each server, in a closed loop. Then requests come by a schedule, at 50, 70 and 90 % of that, and the latency of
each counts from when it was due. Before that, the generator has to prove that it sees a server that stands still.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import time
from collections import namedtuple

import hits
import load
import servers

GENERATOR = servers.ROOT / "build/open-loop"
CONNECTIONS = 64
FIGURES = ("p50", "p90", "p99", "p99.9", "max")
PAUSE_S = 0.2  # of the server, in the check of the generator
SEEN_US = 0.4e6 * PAUSE_S

Run = namedtuple("Run", "latency_us late_us unanswered speed")


def command(server, rate, seconds):
    return [GENERATOR, "127.0.0.1", *map(str, (server.port, server.path("picture"), rate, seconds, CONNECTIONS))]


def read_figures(text):
    values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines())}
    return {name: values[name] for name in FIGURES}, values["late p99"], int(values["unanswered"])


def check_generator(server, rate, cores):
    """Ends the run unless a pause of the server is seen by as many requests as were due meanwhile."""
    seconds = 4
    generator = subprocess.Popen(
        command(server, rate, seconds), stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, set(cores.of_load(1))),
    )
    time.sleep(seconds / 2)
    os.killpg(server.popen.pid, signal.SIGSTOP)
    try:
        time.sleep(PAUSE_S)
    finally:
        os.killpg(server.popen.pid, signal.SIGCONT)
    text = generator.communicate()[0]
    if generator.returncode:
        raise SystemExit("the generator failed")
    latency, _, _ = read_figures(text)
    print(
        f"check: {server.name} stopped for {PAUSE_S * 1e3:.0f} ms of {seconds} s at {rate:,} req/s: "
        f"p99 {latency['p99'] / 1e3:.1f} ms, max {latency['max'] / 1e3:.1f} ms"
    )
    if latency["p99"] < SEEN_US or latency["max"] < 0.9e6 * PAUSE_S:
        raise SystemExit("the generator does not see a server that stands still: its figures are worth nothing")


def capacity(server, generator, cores, options, body):
    samples = [hits.take_sample(server, generator, cores, options, body) for _ in range(3)]
    return max(sample.requests / sample.seconds for sample in samples)


def take_run(server, rate, cores, options):
    """The first of a few tries with both cores at full speed, or the one nearest to that."""
    tries = []
    for _ in range(1 + options.retries):
        before = cores.speed()
        figures = read_figures(load.run_pinned(command(server, rate, options.seconds), cores.of_load(1)))
        tries.append(Run(*figures, min(before, cores.speed())))
        if cores.is_full(tries[-1].speed):
            break
    return max(tries, key=lambda run: run.speed)


def table(runs, rates, cores, rounds):
    """runs: {(server's name, load): [a Run per round]}"""
    lines = [f"{'':20}{'load':>6}{'req/s':>10}" + "".join(f"{name:>10}" for name in FIGURES) + f"{'late p99':>10}{'full speed':>12}"]
    for (name, share), row in runs.items():
        full = [run for run in row if cores.is_full(run.speed)]
        kept = full or row
        figures = "".join(f"{statistics.median(run.latency_us[figure] for run in kept):>10,.0f}" for figure in FIGURES)
        late = statistics.median(run.late_us for run in kept)
        lost = sum(run.unanswered for run in kept)
        lines.append(
            f"{name:20}{share:>5}%{rates[name, share]:>10,}{figures}{late:>10,.0f}{len(full):>10}/{rounds}"
            + (f"  {lost} unanswered" if lost else "")
        )
    lines.append("Microseconds from when a request was due to the last byte of its answer; the median of the rounds. `late p99` is how")
    lines.append("late the generator itself was. `max` is as much the machine's as the server's.")
    return "\n".join(lines)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, choices=(2, 20, 200), default=20, help="kilobytes of the picture (20)")
    parser.add_argument("--loads", type=hits.choices(tuple(range(1, 100))), default=[50, 70, 90], help="%% of capacity (50,70,90)")
    hits.add_common_options(parser, rounds=3, seconds=5)
    options = parser.parse_args()
    if options.only is None:
        options.only = [each.name for each in (servers.Sluice, servers.Constant, servers.NginxCache, servers.Varnish)]
    return options


def main():
    options = parse_options()
    classes = hits.choose(options.only, ())
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    cores = load.Cores()
    shuffle = random.Random(options.seed).shuffle
    with hits.line_up(hits.Cell(options.size, "h1", 1), classes, cores, ["picture"]) as (running, generator, body):
        capacities = {server.name: capacity(server, generator, cores, options, body) for server in running}
        rates = {(name, share): round(most * share / 100) for name, most in capacities.items() for share in options.loads}
        check_generator(running[0], rates[running[0].name, options.loads[0]], cores)
        runs = {key: [] for key in rates}
        for _ in range(options.rounds):
            order = [(server, share) for server in running for share in options.loads]
            shuffle(order)
            for server, share in order:
                runs[server.name, share].append(take_run(server, rates[server.name, share], cores, options))
    print(f"\n{len(body)} bytes, h1, 1 worker, {CONNECTIONS} connections, {options.rounds} rounds of {options.seconds} s, seed {options.seed}")
    print("capacity: " + ", ".join(f"{name} {most:,.0f} req/s" for name, most in capacities.items()) + "\n")
    print(table(runs, rates, cores, options.rounds))
    if options.json:
        rows = [{"server": name, "load": share, "rate": rates[name, share], "runs": [run._asdict() for run in row]}
                for (name, share), row in runs.items()]
        options.json.write_text(hits.json.dumps({"bytes": len(body), "capacities": capacities, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

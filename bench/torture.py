#!/usr/bin/python3
"""The torture test: storms of large pictures over servers in memory cgroups. README.md says what happens in it and how to read it.

Exit status: 0 if all hard criteria hold in all rounds, 1 if not.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
sys.path.insert(1, str(Path(__file__).resolve().parent))

import cgroups
import ipx
import storm

MIB = storm.MIB
HEALTH_MS = 100
LEAST_RATIO = 0.7  # of the pictures per second without a limit, from LARGE_BUDGET on
LARGE_BUDGET = 256 * MIB


# --- running


def run_cell(folder, origin, order, budget, number):
    """budget None: no limit, and as much budget as the machine has."""
    here = Path(folder, f"cell-{number}")
    here.mkdir()
    order = dataclasses.replace(order, seed=order.seed + number)
    with storm.group_for(budget) if budget else contextlib.nullcontext() as group:
        outcome = storm.over_sluice(here, origin, order, budget, group)
    print_cell(f"{order.connections:>4} connections, {name_of(budget)}", outcome)
    return outcome


def run_ipx(folder, origin, order, budget):
    with storm.group_for(budget) as group, ipx.Ipx(folder, group, origin) as server:
        order = dataclasses.replace(order, port=server.port, url=server.url, drain_s=1)
        storm.warm(order)
        with storm.Watch(server.popen.pid) as watch:
            report = storm.rain(order, judged=False)
        outcome = storm.Outcome(report, {}, watch, server.is_alive(), 0, budget, group.oom_kills(), group.peak_bytes())
    print_cell(f"{order.connections:>4} connections, ipx, {name_of(budget)}", outcome)
    return outcome


def name_of(budget):
    return f"{budget // MIB} MiB" if budget else "no limit"


def print_cell(title, outcome):
    report = outcome.report
    busy = outcome.watch.mean("sluice_images_in_progress")
    peak = f"peak {outcome.watch.peak / MIB:.0f} MiB"
    print(f"{title}: {outcome.per_second():.1f} pictures/s, {peak}, {json.dumps(outcome.by_status())}")
    print(
        f"      {report['pictures']}; slowest answer {report['worst_s']:.1f} s; hung up: {report['hung_up']}\n"
        f"      CPU {outcome.cpu_s:.1f} s in {report['seconds']:.1f} s; on average {busy:.1f} transforms running, "
        f"none for {outcome.watch.share_without('sluice_images_in_progress'):.0%} of the time, "
        f"{outcome.watch.mean('sluice_transform_queued'):.0f} queued, "
        f"{outcome.watch.mean('sluice_image_cache_pinned_bytes') / MIB:.0f} MiB pinned; health {outcome.probes.get('health')}, "
        f"control worst {outcome.probes.get('control', {}).get('worst_ms')} ms, prober late {outcome.probes.get('late_ms')} ms"
    )
    for fault in report["faults"][:5]:
        print(f"      fault: {fault}")
    sys.stdout.flush()


def run_all(folder, origin, options):
    """{(connections, budget): [Outcome per round]}, {(connections, budget, name): Outcome of another server in such a cgroup}"""
    order = storm.Order(files=options.files, seconds=options.seconds, seed=options.seed, drain_s=options.drain)
    shuffle, results, peers, number = random.Random(options.seed).shuffle, {}, {}, 0
    for connections in options.connections:
        order = dataclasses.replace(order, connections=connections)
        for _ in range(options.rounds):
            budgets = [None, *options.budgets]
            shuffle(budgets)
            for budget in budgets:
                number += 1
                results.setdefault((connections, budget), []).append(run_cell(folder, origin, order, budget, number))
        for budget in options.budgets if options.ipx else []:
            peers[connections, budget, "ipx"] = run_ipx(folder, origin, order, budget)
    return results, peers


# --- judging


def ratio(results, connections, budget):
    """Pictures per second with the limit to those without, within a round; the median."""
    pairs = zip(results[connections, budget], results[connections, None], strict=True)
    return statistics.median(limited.per_second() / max(free.per_second(), 0.001) for limited, free in pairs)


def criteria(results, connections, budget):
    """(what is wanted, whether it holds, whether the exit status depends on it, what was seen)"""
    rounds = results[connections, budget]
    kills = sum(one.kills for one in rounds) + sum(not one.alive for one in rounds)
    yield "no kill", kills == 0, True, f"{kills}"
    peak = max(one.watch.peak for one in rounds) / budget
    yield "peak RSS within the budget", peak <= 1, True, f"{peak:.0%}"
    faults = sum(one.report["num_faults"] for one in rounds)
    yield "every refusal clean, no lost or wrong answer", faults == 0, True, f"{faults} faults"
    vague = sum(one.report["vague"] for one in rounds)
    yield "each 413 names the need and the budget", vague == 0, True, f"{vague} do not"
    left = [one.left_over for one in rounds if one.left_over]
    yield "nothing held at rest", not left, True, f"{left or 'nothing'}"
    health = [one.probes["health"] for one in rounds]
    strange = [what for one in health for what in (*one["faults"], *one["statuses"]) if what not in ("200", "503")]
    yield "health answers 200 or 503", not strange, True, f"{strange[:3] or 'always'}"
    worst = max(one["worst_ms"] for one in health)
    control = max(one.probes["control"]["worst_ms"] for one in rounds)
    yield f"health within {HEALTH_MS} ms", worst <= HEALTH_MS, False, f"{worst:.0f} ms (a constant answer: {control:.0f} ms)"
    if budget >= LARGE_BUDGET:
        share = ratio(results, connections, budget)
        yield f"{LEAST_RATIO:.0%} of the pictures without a limit", share >= LEAST_RATIO, False, f"{share:.0%}"


def judge(results, options):
    """Prints PASS or FAIL of each criterion; whether all hard ones hold."""
    hard = True
    for connections in options.connections:
        for budget in options.budgets:
            print(f"{name_of(budget)}, {connections} connections")
            for what, holds, is_hard, seen in criteria(results, connections, budget):
                print(f"  {'PASS' if holds else 'FAIL'}  {what}: {seen}{'' if is_hard else ' (depends on the machine)'}")
                hard = hard and (holds or not is_hard)
    return hard


# --- the table


def refused(outcome):
    count = sum(count for status, count in outcome.by_status().items() if status.startswith("503"))
    return count / max(1, sum(outcome.by_status().values()))


def sluice_row(results, connections, budget):
    rounds = results[connections, budget]
    median = statistics.median(one.per_second() for one in rounds)
    share = f"{ratio(results, connections, budget):.0%}" if budget else ""
    peak = max(one.watch.peak for one in rounds)
    worst = max(one.probes["health"]["worst_ms"] for one in rounds if one.probes)
    kills = str(sum(one.kills for one in rounds)) if budget else ""
    within = f"{peak / MIB:.0f} MiB" + (f" ({peak / budget:.0%})" if budget else "")
    too_large = sum(count for one in rounds for status, count in one.by_status().items() if status.startswith("413")) // len(rounds)
    refusals = statistics.median(refused(one) for one in rounds)
    return ["sluice", f"{median:.1f}", share, kills, within, f"{refusals:.0%}", str(too_large), f"{worst:.0f} ms"]


def peer_row(name, budget, outcome):
    answers, peak = outcome.by_status().get("200", 0), outcome.watch.peak
    end = "0" if outcome.alive else f"{outcome.kills or 'ended by itself'}, after {answers} answers"
    return [name, f"{outcome.per_second():.1f}", "", end, f"{peak / MIB:.0f} MiB ({peak / budget:.0%})", "", "", ""]


def table(results, peers, options):
    heads = ["connections", "budget", "server", "pictures/s", "of no limit", "kills", "peak RSS", "503", "413", "health, worst"]
    lines = [heads, ["---"] * len(heads)]
    for connections in options.connections:
        for budget in [*options.budgets, None]:
            lines.append([str(connections), name_of(budget), *sluice_row(results, connections, budget)])
            for key, outcome in peers.items():
                if key[:2] == (connections, budget):
                    lines.append([str(connections), name_of(budget), *peer_row(key[2], budget, outcome)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- the whole


def numbers(text):
    return [int(word) for word in text.split(",")]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budgets", type=numbers, default=[128, 256, 512], help="MiB; the hard limit is 1.1 times that (128,256,512)")
    parser.add_argument("--connections", type=numbers, default=[64, 256], help="(64,256)")
    parser.add_argument("--rounds", type=int, default=3, help="of all budgets and of no limit, in turns (3)")
    parser.add_argument("--seconds", type=float, default=20, help="of one storm (20)")
    parser.add_argument("--drain", type=float, default=10, help="seconds until clients that still wait hang up (10)")
    parser.add_argument("--pictures", type=int, default=20, help="different files of 24 megapixels; names are many more (20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-ipx", dest="ipx", action="store_false", help="without the comparison")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args()
    options.budgets = [budget * MIB for budget in options.budgets]
    return options


def as_json(results, peers):
    rows = [("sluice", key, one) for key, rounds in results.items() for one in rounds]
    rows += [(key[2], key, one) for key, one in peers.items()]
    return json.dumps(
        [
            {
                "server": server, "connections": key[0], "budget": key[1], "pictures_per_second": one.per_second(), "kills": one.kills,
                "alive": one.alive, "peak_bytes": one.watch.peak, "group_peak_bytes": one.group_peak_bytes, "cpu_seconds": one.cpu_s,
                "probes": one.probes, "left_over": one.left_over, "report": one.report, "watch": one.watch.rows,
            }
            for server, key, one in rows
        ],
        indent=1,
    )  # fmt: skip


def main():
    options = parse_options()
    try:
        storm.group_for(512 * MIB).remove()
    except cgroups.Unavailable as problem:
        raise SystemExit(f"no memory cgroup can be made here: {problem}") from None
    missing = ipx.install() if options.ipx else "not asked for"
    if missing:
        print(f"without ipx: {missing}")
        options.ipx = False
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        files = Path(folder, "files")
        files.mkdir()
        options.files = storm.files(files, options.pictures)
        with storm.Origin(files) as origin:
            results, peers = run_all(folder, origin, options)
    print(f"\n{options.rounds} rounds of {options.seconds:.0f} s, seed {options.seed}" + (f"; {ipx.version()}" if options.ipx else "") + "\n")
    print(table(results, peers, options) + "\n")
    holds = judge(results, options)
    if options.json:
        options.json.write_text(as_json(results, peers) + "\n")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()

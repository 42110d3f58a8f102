#!/usr/bin/python3
"""Hits per second, and CPU time per hit, of Sluice and of other servers that answer the same bytes. README.md says how to read it.

Each cell of the matrix is one size, one protocol and one number of workers. In a cell all servers run side by side, and in each round
every one of them is loaded once, in a new order. A sample counts if both cores ran at their full speed before and after it.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
from collections import namedtuple
from pathlib import Path

import load
import servers

TOLERANCE = 0.05  # of the size of the picture
WARM_UP_S = 1
MAX_PICTURE_BYTES = 400 << 20  # of all of them and what they are made from: they have to stay in the cache

Cell = namedtuple("Cell", "size protocol workers")
Sample = namedtuple("Sample", "requests seconds cpu_seconds speed")


def take_sample(server, generator, cores, options, body):
    """The first of a few tries with both cores at full speed, or the one nearest to that."""
    tries = []
    for _ in range(1 + options.retries):
        before = cores.speed()
        requests, seconds, used = generator.load(server, options.seconds, body)
        tries.append(Sample(requests, seconds, used, min(before, cores.speed())))
        if cores.is_full(tries[-1].speed):
            break
    return max(tries, key=lambda sample: sample.speed)


# --- the picture: a rendition of Sluice's, which all others get as a file


def ask_rendition(sluice, name, width, quality):
    sluice.pattern = f"/images/{{}}.jpg?w={width}&q={quality}"
    answer = load.fetch(sluice, name, "h1")
    if answer.status != 200:
        raise SystemExit(f"{sluice.name} answers {answer.status} to {sluice.path(name)}: {answer.body[:500]!r}")
    return answer.body


def find_rendition(sluice, name, target_bytes):
    """Sets the server's pattern to a rendition of about this size, and returns its bytes. Small pictures grow by whole blocks of
    pixels: where no width will do, the quality makes up for it."""
    narrow, wide = 16, 1600
    while narrow < wide:
        width = (narrow + wide) // 2
        narrow, wide = (width + 1, wide) if len(ask_rendition(sluice, name, width, 80)) < target_bytes else (narrow, width)
    for quality in range(80, 59, -1):
        body = ask_rendition(sluice, name, narrow, quality)
        if abs(len(body) - target_bytes) <= TOLERANCE / 2 * target_bytes:
            servers.Constant.pattern = sluice.pattern  # h2o reads it, and a longer one for longer
            return body
    raise SystemExit(f"no width and quality give a rendition of about {target_bytes} bytes")


class Pictures:
    """The files: `sources` are what Sluice makes its renditions from, and beside them is, under each name, what all others serve."""

    def __init__(self, files, names, size):
        self.files, self.names = files, sorted(set(names))
        maker = servers.ROOT / "build/make-pictures"
        if not maker.exists():
            raise SystemExit("build/make-pictures is missing: run make")
        subprocess.run([maker, "bench", files], check=True, stdout=subprocess.DEVNULL)
        self.serve((files / f"{size}k.jpg").read_bytes())
        (files / "sources").mkdir()
        # thousands of sources have to be small, for they are cached too
        source = files / ("source.jpg" if len(self.names) == 1 else f"{size}k.jpg")
        for name in {*self.names, "picture"}:
            os.link(source, files / "sources" / f"{name}.jpg")

    def serve(self, body):
        self.body = body
        for name in {*self.names, "picture"}:
            path = self.files / f"{name}.jpg"
            path.unlink(missing_ok=True)
            path.write_bytes(body)

    def drop_sources(self):
        shutil.rmtree(self.files / "sources")


@contextlib.contextmanager
def folder_in_memory():
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm_up(server, cell, pictures, generator):
    name = generator.names[0]
    load.check(server, name, cell.protocol, pictures.body)
    if len(pictures.names) > 1:
        generator.ask_each(server, pictures.names)
    generator.load(server, WARM_UP_S, pictures.body)


@contextlib.contextmanager
def line_up(cell, classes, cores, names):
    """All servers of a cell, running, their caches warm and what they were filled from gone: yields them, a generator of the load,
    and the bytes that all answer."""
    servers.Nginx.protocol = " http2" if cell.protocol == "h2" else ""
    # on loopback the cache of nginx needs three times the CPU for large files with it, and a tenth more for small ones without
    servers.NginxCache.nopush = "on" if cell.size < 200 else "off"
    generator = load.Generator(cell.protocol, cores.of_load(cell.workers), names)
    with folder_in_memory() as folder, contextlib.ExitStack() as stack:
        pictures = Pictures(folder / "files", names, cell.size)
        its_cores = cores.of_servers(cell.workers)
        upstream = servers.Upstream(folder, pictures.files, its_cores)
        stack.callback(upstream.stop)
        upstream.start()
        running = [each(folder, pictures.files, its_cores, cell.workers, upstream) for each in classes]
        found = None  # the pattern of the first Sluice: all of them serve the same rendition
        for server in running:
            stack.callback(server.stop)
            server.start()
            if isinstance(server, servers.Sluice) and found is None:
                pictures.serve(find_rendition(server, "picture", len(pictures.body)))
                found = server.pattern
            elif isinstance(server, servers.Sluice):
                server.pattern = found
        for server in running:
            warm_up(server, cell, pictures, generator)
        upstream.stop()  # from here on, whoever answers has the picture
        pictures.drop_sources()
        for server in running:
            answer = load.check(server, names[0], cell.protocol, pictures.body)
            if isinstance(server, servers.Sluice) and "hit" not in answer.headers.get("cache-status", ""):
                raise SystemExit(f"not a hit: Cache-Status is {answer.headers.get('cache-status')}")
        yield running, generator, pictures.body


def measure(cell, classes, cores, options):
    """{server's name: [a Sample per round]}, the size of the answers, and the servers' versions"""
    samples = {each.name: [] for each in classes}
    shuffle = random.Random(options.seed).shuffle
    with line_up(cell, classes, cores, options.names) as (running, generator, body):
        for _ in range(options.rounds):
            order = list(running)
            shuffle(order)
            for server in order:
                samples[server.name].append(take_sample(server, generator, cores, options, body))
        return samples, len(body), {server.name: server.version() for server in running}


# --- the report


def cpu_us(sample):
    return sample.cpu_seconds / sample.requests * 1e6


class Cost:
    """What the samples of a cell say. Those at full speed count; if there are fewer than three, all do."""

    def __init__(self, samples, cores):
        self.samples = samples
        self.full = {name: [cores.is_full(sample.speed) for sample in row] for name, row in samples.items()}

    def kept(self, name):
        row = [sample for sample, full in zip(self.samples[name], self.full[name]) if full]
        return row if len(row) >= 3 else self.samples[name]

    def ratios(self, one, other):
        """Of the CPU time of two servers in each round; first those in which both ran at full speed, then all."""
        pairs = [cpu_us(a) / cpu_us(b) for a, b in zip(self.samples[one], self.samples[other])]
        good = [pair for pair, a, b in zip(pairs, self.full[one], self.full[other]) if a and b]
        return good if len(good) >= 3 else pairs, pairs

    def ratio(self, one, other):
        if one not in self.samples or other not in self.samples:
            return None
        return statistics.median(self.ratios(one, other)[0])

    def is_evidence(self):
        return all(sum(full) >= max(3, len(full) / 2) for full in self.full.values())

    def row(self, name):
        kept = self.kept(name)
        return {
            "requests_per_second": statistics.median(sample.requests / sample.seconds for sample in kept),
            "cpu_us_per_request": statistics.median(map(cpu_us, kept)),
            "cpu_us_per_request_min": min(map(cpu_us, kept)),
            "utilisation": statistics.median(sample.cpu_seconds / sample.seconds for sample in kept),
            "at_full_speed": sum(self.full[name]),
            "cpu_ratio_to_file_dir": self.ratio(name, servers.FileDir.name),
            "samples": [sample._asdict() for sample in self.samples[name]],
        }

    def noise(self):
        """The least and the largest ratio of file.dir to itself, or None."""
        if not {servers.FileDir.name, servers.FileDirAgain.name} <= set(self.samples):
            return None
        pairs = self.ratios(servers.FileDirAgain.name, servers.FileDir.name)[0]
        return min(pairs), max(pairs)


def number(value, width, digits=2):
    return f"{value:>{width}.{digits}f}" if value is not None else f"{'-':>{width}}"


def table_of_cell(cost, rounds):
    lines = [f"{'':20}{'req/s':>10}{'CPU us/req':>12}{'min':>8}{'of file.dir':>13}{'CPU used':>10}{'full speed':>12}"]
    for name in cost.samples:
        row = cost.row(name)
        lines.append(
            f"{name:20}{row['requests_per_second']:>10,.0f}{row['cpu_us_per_request']:>12.2f}{row['cpu_us_per_request_min']:>8.2f}"
            f"{number(row['cpu_ratio_to_file_dir'], 13)}{row['utilisation']:>10.0%}{row['at_full_speed']:>9}/{rounds}"
        )
    if cost.noise():
        lines.append("file.dir against itself: {:.2f} to {:.2f} per round; what is nearer to 1 is noise.".format(*cost.noise()))
    if not cost.is_evidence():
        lines.append("The machine was busy: too few samples at full speed. These numbers are no evidence; run it again.")
    return "\n".join(lines)


def table_of_matrix(costs):
    """costs: {Cell: Cost}"""
    peers = (servers.Constant, servers.FileDir, servers.Nginx, servers.NginxCache, servers.Varnish)
    titles = "".join(f"{'/ ' + peer.name.removeprefix('nginx '):>14}" for peer in peers)
    lines = [f"{'cell':18}{'CPU us/req':>11}{titles}{'noise':>14}"]
    for cell, cost in costs.items():
        ratios = "".join(number(cost.ratio(servers.Sluice.name, peer.name), 14) for peer in peers)
        noise = "{:.2f}-{:.2f}".format(*cost.noise()) if cost.noise() else "-"
        name = f"{cell.size} KB {cell.protocol} x{cell.workers}"
        cpu = number(cost.row(servers.Sluice.name)["cpu_us_per_request"], 11)
        lines.append(f"{name:18}{cpu}{ratios}{noise:>14}" + ("" if cost.is_evidence() else "  busy"))
    lines.append("CPU time per hit of Sluice, and its ratio to the others'; noise is file.dir against itself in the same rounds.")
    return "\n".join(lines)


def choices(allowed):
    def parse(text):
        chosen = [type(allowed[0])(word) for word in text.split(",")]
        if not set(chosen) <= set(allowed):
            raise argparse.ArgumentTypeError(f"some of {', '.join(map(str, allowed))}, separated by commas")
        return chosen

    return parse


def add_common_options(parser, rounds, seconds):
    names = [each.name for each in servers.ALL]
    parser.add_argument("--rounds", type=int, default=rounds, help=f"samples per server ({rounds})")
    parser.add_argument("--seconds", type=int, default=seconds, help=f"length of a sample ({seconds})")
    parser.add_argument("--retries", type=int, default=2, help="for a sample in which a core was slow (2)")
    parser.add_argument("--only", type=choices(names), help=f"some of: {', '.join(names)}; separated by commas")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order of servers, and of URLs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=choices((2, 20, 200)), default=[2, 20, 200], help="kilobytes of the picture (2,20,200)")
    parser.add_argument("--protocol", type=choices(("h1", "h2")), default=["h1", "h2"], help="h2 is clear text (h1,h2)")
    parser.add_argument("--workers", type=choices((1, 2)), default=[1, 2], help="of each server (1,2)")
    parser.add_argument("--urls", type=int, default=1, help="that the requests are spread over (1)")
    parser.add_argument("--zipf", type=float, default=0.9, help="exponent of their popularity (0.9)")
    add_common_options(parser, rounds=5, seconds=3)
    options = parser.parse_args()
    if min(options.rounds, options.seconds, options.urls) < 1:
        parser.error("rounds, seconds and urls are at least 1")
    if options.urls > 1 and 2 * options.urls * max(options.size) << 10 > MAX_PICTURE_BYTES:
        parser.error(f"{options.urls} pictures of {max(options.size)} KB do not fit: fewer --urls, or a smaller --size")
    names = [f"{i:05}" for i in range(options.urls)]
    options.names = load.draw(names, options.zipf, options.seed) if options.urls > 1 else ["picture"]
    return options


def choose(only, needed):
    """Without what it is about there is no benchmark; a peer that is not installed is left out, and said to be."""
    for tool in ("curl", "wrk", "h2load"):
        if not servers.program(tool):
            raise SystemExit(f"{tool} is missing")
    classes = [each for each in servers.ALL if only is None or each.name in only]
    for each in classes:
        missing = each.missing()
        if missing and (only or each in needed):
            raise SystemExit(f"{each.name} needs {missing}")
        if missing:
            print(f"without {each.name}: it needs {missing}")
    return [each for each in classes if not each.missing()]


def main():
    options = parse_options()
    classes = choose(options.only, (servers.Sluice, servers.FileDir))
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    cores = load.Cores()
    costs, facts = {}, []
    for cell in itertools.starmap(Cell, itertools.product(options.size, options.protocol, options.workers)):
        samples, length, versions = measure(cell, classes, cores, options)
        costs[cell] = cost = Cost(samples, cores)
        what = f"{length} bytes, {cell.protocol}, {cell.workers} worker{'s' if cell.workers > 1 else ''}"
        urls = f", {options.urls} URLs by Zipf {options.zipf}" if options.urls > 1 else ""
        print(f"{what}{urls}, {options.rounds} rounds of {options.seconds} s, seed {options.seed}\n", flush=True)
        print(table_of_cell(cost, options.rounds) + "\n", flush=True)
        facts.append({**cell._asdict(), "bytes": length, "versions": versions, "servers": {n: cost.row(n) for n in samples}})
    if len(costs) > 1 and servers.Sluice in classes:
        print(table_of_matrix(costs))
    if options.json:
        asked = {name: getattr(options, name) for name in ("rounds", "seconds", "seed", "urls", "zipf")}
        options.json.write_text(json.dumps({**asked, "cells": facts}, indent=1) + "\n")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Hits per second, and CPU time per hit, of Sluice and of other servers that answer the same bytes. README.md says how to read it.

One worker per server, pinned to one core; the load generator is pinned to another. All servers run side by side, and in each round
every one of them is loaded once, in a new order. A sample counts if both cores ran at their full speed before and after it.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections import namedtuple
from pathlib import Path

import servers

TOLERANCE = 0.05  # of the size of the picture
FULL_SPEED = 0.9  # of the best seen
WARM_UP_S = 1

Answer = namedtuple("Answer", "status version headers body")
Sample = namedtuple("Sample", "requests seconds cpu_seconds speed")


# --- the machine


class Cores:
    """The core of the servers, the core of the load generator, and whether they run as fast as they can."""

    def __init__(self):
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise SystemExit("two cores are needed: one for the servers, one for the load generator")
        self.server, self.load = usable[:2]
        self.block = bytes(4 << 20)
        self.turns = 1
        self.turns = max(1, round(0.05 / min(self._seconds() for _ in range(5))))
        self.best = max(self.speed() for _ in range(5))

    def _seconds(self):
        took = []

        def work(core):
            os.sched_setaffinity(0, {core})  # of this thread
            began = time.perf_counter()
            for _ in range(self.turns):
                hashlib.sha256(self.block).digest()
            took.append(time.perf_counter() - began)

        threads = [threading.Thread(target=work, args=(core,)) for core in (self.server, self.load)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(took)

    def speed(self):
        """Turns of a fixed work per second, on both cores at once, by the slower of them."""
        speed = self.turns / self._seconds()
        self.best = max(speed, getattr(self, "best", speed))
        return speed


# --- the load


def fetch(server, protocol):
    version = {"h1": "--http1.1", "h2": "--http2-prior-knowledge"}[protocol]
    options = ["--noproxy", "*", "--max-time", "30", "-D", "-", "-w", "%{stderr}%{http_version}"]
    done = subprocess.run(["curl", "-sS", version, *options, server.url()], capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{server.name} does not answer {server.url()}: {done.stderr.decode()}")
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), done.stderr.decode(), headers, body)


def check(server, protocol, body):
    """Ends the run unless the server answers 200 with exactly these bytes, in this protocol."""
    answer = fetch(server, protocol)
    if answer.status != 200 or answer.body != body or answer.version != {"h1": "1.1", "h2": "2"}[protocol]:
        raise SystemExit(
            f"{server.name} answers {answer.status}, {len(answer.body)} bytes, HTTP/{answer.version}; expected 200 and the "
            f"{len(body)} bytes that all others answer"
        )
    return answer


class Generator:
    """The load, in one protocol and from one core."""

    def __init__(self, protocol, core):
        self.protocol, self.core = protocol, core

    def load(self, server, seconds, body):
        """requests, seconds, and the CPU time that all processes of the server used meanwhile"""
        run = {"h1": self._wrk, "h2": self._h2load}[self.protocol]
        before = server.cpu_seconds()
        requests, took, read = run(server.url(), seconds)
        used = server.cpu_seconds() - before
        if read < requests * len(body) * 0.99:
            raise SystemExit(f"{server.name}: {requests} answers in {read:.0f} bytes cannot all have been whole")
        return requests, took, used

    def _wrk(self, url, seconds):
        text = self._output("wrk", "-t1", "-c64", f"-d{seconds}s", url)
        if "Socket errors" in text or "Non-2xx" in text:
            raise SystemExit(f"errors under load:\n{text}")
        found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)([KMGT]?)B read", text)
        units = {"ms": 1e-3, "s": 1, "m": 60, "": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
        return int(found[1]), float(found[2]) * units[found[3]], float(found[4]) * units[found[5]]

    def _h2load(self, url, seconds):
        text = self._output("h2load", "-t1", "-c16", "-m10", "-D", str(seconds), url)
        done, succeeded, bad = (int(number) for number in re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", text).groups())
        if bad or done != succeeded or "xx, 0 3xx, 0 4xx, 0 5xx" not in text:
            raise SystemExit(f"errors under load:\n{text}")
        return done, seconds, int(re.search(r"\((\d+)\) data", text)[1])

    def _output(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed: {done.stderr}{done.stdout}")
        return done.stdout


def take_sample(server, generator, cores, options, body):
    """The first of a few tries with both cores at full speed, or the one nearest to that."""
    tries = []
    for _ in range(1 + options.retries):
        before = cores.speed()
        requests, seconds, used = generator.load(server, options.seconds, body)
        tries.append(Sample(requests, seconds, used, min(before, cores.speed())))
        if tries[-1].speed >= FULL_SPEED * cores.best:
            break
    return max(tries, key=lambda sample: sample.speed)


# --- the picture: a rendition of Sluice's, which all others get as a file


def ask_rendition(sluice, width, quality):
    sluice.picture = f"/images/source.jpg?w={width}&q={quality}"
    answer = fetch(sluice, "h1")
    if answer.status != 200:
        raise SystemExit(f"{sluice.name} answers {answer.status} to {sluice.picture}: {answer.body[:500]!r}")
    return answer.body


def find_rendition(sluice, target_bytes):
    """Sets the server's path to a rendition of about this size, and returns its bytes. Small pictures grow by whole blocks of
    pixels: where no width will do, the quality makes up for it."""
    narrow, wide = 16, 1600
    while narrow < wide:
        width = (narrow + wide) // 2
        narrow, wide = (width + 1, wide) if len(ask_rendition(sluice, width, 80)) < target_bytes else (narrow, width)
    for quality in range(80, 59, -1):
        body = ask_rendition(sluice, narrow, quality)
        if abs(len(body) - target_bytes) <= TOLERANCE / 2 * target_bytes:
            return body
    raise SystemExit(f"no width and quality give a rendition of about {target_bytes} bytes")


def prepare(folder, classes, generator, cores, options):
    """Starts all servers with their caches warm; returns them and the bytes that they answer."""
    files = folder / "files"
    make_pictures = servers.ROOT / "build/make-pictures"
    if not make_pictures.exists():
        raise SystemExit("build/make-pictures is missing: run make")
    subprocess.run([make_pictures, "bench", files], check=True, stdout=subprocess.DEVNULL)
    body = (files / f"{options.size}k.jpg").read_bytes()
    running = []
    (files / "picture.jpg").write_bytes(body)
    upstream = servers.Upstream(folder, files, cores.server)
    try:
        upstream.start()
        for each in classes:
            running.append(each(folder, files, cores.server, upstream))
        for server in running:
            server.start()
            if isinstance(server, servers.Sluice):
                body = find_rendition(server, len(body))
                (files / "picture.jpg").write_bytes(body)
        for server in running:
            check(server, options.protocol, body)
            generator.load(server, WARM_UP_S, body)
        upstream.stop()  # from here on, whoever answers has the picture
        for server in running:
            answer = check(server, options.protocol, body)
            if isinstance(server, servers.Sluice) and "hit" not in answer.headers.get("cache-status", ""):
                raise SystemExit(f"not a hit: Cache-Status is {answer.headers.get('cache-status')}")
    except BaseException:
        for server in [upstream, *running]:
            server.stop()
        raise
    return running, body


# --- the report


def cpu_us(sample):
    return sample.cpu_seconds / sample.requests * 1e6


def summarise(samples, best_speed):
    """samples: {server's name: [a Sample per round]}. Rounds in which both of a pair ran at full speed count for a ratio; if there
    are fewer than three, all do."""
    full = {name: [sample.speed >= FULL_SPEED * best_speed for sample in row] for name, row in samples.items()}
    rows = {}
    for name, row in samples.items():
        kept = [sample for sample, good in zip(row, full[name]) if good]
        kept = kept if len(kept) >= 3 else row
        rows[name] = {
            "requests_per_second": statistics.median(sample.requests / sample.seconds for sample in kept),
            "cpu_us_per_request": statistics.median(map(cpu_us, kept)),
            "cpu_us_per_request_min": min(map(cpu_us, kept)),
            "utilisation": statistics.median(sample.cpu_seconds / sample.seconds for sample in kept),
            "at_full_speed": sum(full[name]),
            "samples": [sample._asdict() for sample in row],
        }
        if servers.FileDir.name in samples:
            base = servers.FileDir.name
            pairs = [cpu_us(one) / cpu_us(other) for one, other in zip(row, samples[base])]
            good = [pair for pair, a, b in zip(pairs, full[name], full[base]) if a and b]
            rows[name]["cpu_ratio"] = statistics.median(good if len(good) >= 3 else pairs)
            rows[name]["cpu_ratios"] = pairs
    return rows


def table(rows, rounds):
    lines = [f"{'':20}{'req/s':>10}{'CPU us/req':>12}{'min':>8}{'of file.dir':>13}{'CPU used':>10}{'full speed':>12}"]
    for name, row in rows.items():
        ratio = f"{row['cpu_ratio']:.2f}" if "cpu_ratio" in row else "-"
        lines.append(
            f"{name:20}{row['requests_per_second']:>10,.0f}{row['cpu_us_per_request']:>12.2f}{row['cpu_us_per_request_min']:>8.2f}"
            f"{ratio:>13}{row['utilisation']:>10.0%}{row['at_full_speed']:>9}/{rounds}"
        )
    again = rows.get(servers.FileDirAgain.name, {}).get("cpu_ratios")
    if again:
        span = f"{min(again):.2f} to {max(again):.2f}"
        lines.append(f"file.dir against itself: {span} per round; what is nearer to 1 than that is noise.")
    if any(row["at_full_speed"] < max(3, rounds / 2) for row in rows.values()):
        lines.append("The machine was busy: too few samples at full speed. These numbers are no evidence; run it again.")
    return "\n".join(lines)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [each.name for each in servers.ALL]
    parser.add_argument("--size", type=int, choices=(2, 20, 200), default=20, help="kilobytes of the picture (20)")
    parser.add_argument("--rounds", type=int, default=5, help="samples per server (5)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a sample (3)")
    parser.add_argument("--retries", type=int, default=2, help="for a sample in which a core was slow (2)")
    parser.add_argument("--protocol", choices=("h1", "h2"), default="h1", help="h2 is clear text, by prior knowledge")
    parser.add_argument("--only", help=f"some of: {', '.join(names)}; separated by commas")
    parser.add_argument("--seed", type=int, default=None, help="of the order of servers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    options = parser.parse_args()
    chosen = [name.strip() for name in options.only.split(",")] if options.only else names
    if not set(chosen) <= set(names) or options.rounds < 1 or options.seconds < 1:
        parser.error(f"servers are {', '.join(names)}; rounds and seconds are at least 1")
    options.seed = random.randrange(10**6) if options.seed is None else options.seed
    return options, [each for each in servers.ALL if each.name in chosen]


def choose(classes, explicit):
    """Without what it is about there is no benchmark; a peer that is not installed is left out, and said to be."""
    for tool in ("curl", "wrk", "h2load"):
        if not servers.program(tool):
            raise SystemExit(f"{tool} is missing")
    for each in classes:
        missing = each.missing()
        if missing and (explicit or each in (servers.Sluice, servers.FileDir)):
            raise SystemExit(f"{each.name} needs {missing}")
        if missing:
            print(f"without {each.name}: it needs {missing}")
    return [each for each in classes if not each.missing()]


def main():
    options, classes = parse_options()
    classes = choose(classes, options.only)
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    cores = Cores()
    generator = Generator(options.protocol, cores.load)
    servers.Nginx.protocol = " http2" if options.protocol == "h2" else ""
    # on loopback the cache of nginx needs three times the CPU for large files with it, and a tenth more for small ones without
    servers.NginxCache.nopush = "on" if options.size < 200 else "off"
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    folder.chmod(0o755)
    running, samples = [], {}
    try:
        running, body = prepare(folder, classes, generator, cores, options)
        shuffle = random.Random(options.seed).shuffle
        for _ in range(options.rounds):
            order = list(running)
            shuffle(order)
            for server in order:
                samples.setdefault(server.name, []).append(take_sample(server, generator, cores, options, body))
        versions = {server.name: server.version() for server in running}
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    rows = summarise({each.name: samples[each.name] for each in classes}, cores.best)
    print(f"{len(body)} bytes, {options.protocol}, {options.rounds} rounds of {options.seconds} s, seed {options.seed}\n")
    print(table(rows, options.rounds))
    if options.json:
        facts = {"bytes": len(body), **{name: getattr(options, name) for name in ("protocol", "rounds", "seconds", "seed")}}
        options.json.write_text(json.dumps({**facts, "versions": versions, "servers": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

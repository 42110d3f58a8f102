"""The load that the benchmarks put on a server, the cores it comes from, and whether what the server answers is right."""

import hashlib
import os
import random
import re
import subprocess
import threading
import time
from collections import namedtuple
from itertools import accumulate
from pathlib import Path

FULL_SPEED = 0.9  # of the best seen
DRAWS = 1 << 15  # requests before the same sequence of names begins again

Answer = namedtuple("Answer", "status version headers body")


class Cores:
    """The cores of the servers, those of the load generator, and whether they run as fast as they can. One worker has a core to
    itself; two take both, and share them with the generator."""

    def __init__(self):
        self.both = self.usable()[:2]
        if len(self.both) < 2:
            raise SystemExit("two cores are needed: one for the servers, one for the load generator")
        self.block = bytes(4 << 20)
        self.turns, self.best = 1, 0
        self.turns = max(1, round(0.05 / min(self._seconds() for _ in range(5))))
        for _ in range(5):
            self.speed()

    @staticmethod
    def usable():
        return sorted(os.sched_getaffinity(0))

    def of_servers(self, workers):
        return self.both if workers > 1 else self.both[:1]

    def of_load(self, workers):
        return self.both if workers > 1 else self.both[1:]

    def _seconds(self):
        took = []

        def work(core):
            os.sched_setaffinity(0, {core})  # of this thread
            began = time.perf_counter()
            for _ in range(self.turns):
                hashlib.sha256(self.block).digest()
            took.append(time.perf_counter() - began)

        threads = [threading.Thread(target=work, args=(core,)) for core in self.both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return max(took)

    def speed(self):
        """Turns of a fixed work per second, on both cores at once, by the slower of them."""
        speed = self.turns / self._seconds()
        self.best = max(speed, self.best)
        return speed

    def is_full(self, speed):
        return speed >= FULL_SPEED * self.best


def draw(names, exponent, seed):
    """DRAWS of the names, the n-th of which is asked for in proportion to 1 / n^exponent."""
    weights = list(accumulate(rank**-exponent for rank in range(1, len(names) + 1)))
    return random.Random(seed).choices(names, cum_weights=weights, k=DRAWS)


def run_pinned(command, cores):
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, set(cores)))
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed: {done.stderr}{done.stdout}")
    return done.stdout


class Generator:
    """The load in one protocol: over and over the same URL, or those of a sequence of names."""

    def __init__(self, protocol, cores, names):
        self.protocol, self.cores, self.names = protocol, cores, names

    def load(self, server, seconds, body):
        """requests, seconds, and the CPU time that all processes of the server used meanwhile"""
        run = {"h1": self._wrk, "h2": self._h2load}[self.protocol]
        before = server.cpu_seconds()
        requests, took, read = run(server, seconds)
        used = server.cpu_seconds() - before
        if read < requests * len(body) * 0.99:
            raise SystemExit(f"{server.name}: {requests} answers in {read:.0f} bytes cannot all have been whole")
        return requests, took, used

    def ask_each(self, server, names):
        """Every name once, so that it is cached. By one client: each one of h2load's begins at the top of the list."""
        urls = self._file(server, "each", (server.url(name) for name in names))
        text = run_pinned(["h2load", "-t1", "-c1", *self._version(), f"-n{len(names)}", "-i", urls], self.cores)
        if f"{len(names)} succeeded" not in text:
            raise SystemExit(f"{server.name} does not have all of {len(names)} pictures:\n{text}")

    def _version(self):
        return ("--h1",) if self.protocol == "h1" else ()

    @staticmethod
    def _file(server, kind, lines):
        path = server.folder / kind
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    def _wrk(self, server, seconds):
        several = len(set(self.names)) > 1
        script = ("-s", str(Path(__file__).with_name("sequence.lua"))) if several else ()
        paths = ("--", self._file(server, "paths", map(server.path, self.names))) if several else ()
        text = run_pinned(["wrk", "-t1", "-c64", f"-d{seconds}s", *script, server.url(self.names[0]), *paths], self.cores)
        if "Socket errors" in text or "Non-2xx" in text:
            raise SystemExit(f"{server.name}: errors under load:\n{text}")
        found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)([KMGT]?)B read", text)
        units = {"ms": 1e-3, "s": 1, "m": 60, "": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
        return int(found[1]), float(found[2]) * units[found[3]], float(found[4]) * units[found[5]]

    def _h2load(self, server, seconds):
        several = len(set(self.names)) > 1
        what = ("-i", self._file(server, "urls", map(server.url, self.names))) if several else (server.url(self.names[0]),)
        text = run_pinned(["h2load", "-t1", "-c16", "-m10", "-D", str(seconds), *what], self.cores)
        done, succeeded, bad = (int(number) for number in re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", text).groups())
        if bad or done != succeeded or "xx, 0 3xx, 0 4xx, 0 5xx" not in text:
            raise SystemExit(f"{server.name}: errors under load:\n{text}")
        return done, seconds, int(re.search(r"\((\d+)\) data", text)[1])


def fetch(server, name, protocol):
    version = {"h1": "--http1.1", "h2": "--http2-prior-knowledge"}[protocol]
    options = ["--noproxy", "*", "--max-time", "30", "-D", "-", "-w", "%{stderr}%{http_version}"]
    done = subprocess.run(["curl", "-sS", version, *options, server.url(name)], capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{server.name} does not answer {server.url(name)}: {done.stderr.decode()}")
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), done.stderr.decode(), headers, body)


def check(server, name, protocol, body):
    """Ends the run unless the server answers 200 with exactly these bytes, in this protocol."""
    answer = fetch(server, name, protocol)
    if answer.status != 200 or answer.body != body or answer.version != {"h1": "1.1", "h2": "2"}[protocol]:
        raise SystemExit(
            f"{server.name} answers {answer.status}, {len(answer.body)} bytes, HTTP/{answer.version}; expected 200 and the "
            f"{len(body)} bytes that all others answer"
        )
    return answer

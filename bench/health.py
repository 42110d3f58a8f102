#!/usr/bin/python3
"""How soon health answers while both cores are busy, in every level; then what watching costs (overhead.py). README.md says how to
read it.

The load comes from two directions: closed loops of hits, which keep the event loops busy, and of misses, which keep the workers busy.
The levels are simulated. A prober asks for /api/health and /metrics every 20 ms, and a constant server of its own beside them, whose
latency is what the machine adds.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
sys.path.insert(1, str(Path(__file__).resolve().parent))

import load
import overhead
import servers
import storm

MIB = 1 << 20
BUDGET_MIB = 4096
TOKEN = "a-token-of-the-benchmark-0123456789"
LEVELS = {"normal": 0, "elevated": 0.72, "degraded": 0.77, "high": 0.83, "critical": 0.92, "emergency": 0.97}
HEALTH_MS = 10
PICTURE = servers.ROOT / "build/samples/sample.jpg"


class Sluice(servers.Sluice):
    pattern = "/images/{}.jpg?w=64"

    def __init__(self, folder):
        super().__init__(folder, folder, load.Cores.usable(), workers=2)
        self.token = self.folder / "token"
        self.token.write_text(TOKEN)
        self.token.chmod(0o600)

    def first_lines(self):
        return {"load-module": str(self.module), "pressure.budget": f"{BUDGET_MIB}MiB", "health.admin-token": str(self.token),
                "health.simulate": "ON", "pressure.dwell": "100ms", "pressure.dwell-critical": "100ms"}  # fmt: skip

    def config(self):
        paths = {"/images": {"image.origin": str(PICTURE.parent)}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        return {"hosts": {"default": {"paths": paths}}}

    def ask(self, path, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def memory(self):
        return json.loads(self.ask("/api/health")[1])["memory"]

    def simulate(self, pretended_bytes):
        order = json.dumps({"bytes": pretended_bytes, "seconds": 600})
        status, body = self.ask("/api/memory/simulate", "POST", order, {"Authorization": f"Bearer {TOKEN}"})
        if status != 200:
            raise SystemExit(f"simulate: {status} {body!r}")

    def await_level(self, level):
        end = time.monotonic() + 10
        while self.memory()["level"] != level:
            if time.monotonic() > end:
                raise SystemExit(f"the server is at {self.memory()['level']}, not at {level}")
            time.sleep(0.02)

    def go_to(self, level):
        """Returns when the server is at the level."""
        self.simulate(0)
        self.await_level("normal")
        if LEVELS[level]:
            self.simulate(int(LEVELS[level] * BUDGET_MIB * MIB) - self.memory()["resident_bytes"])
            self.await_level(level)


class Busy:
    """Closed loops in processes of their own: wrk for hits (or whatever is answered to them), threads here for misses, which cost
    the client next to nothing."""

    numbers = itertools.count(1)

    def __init__(self, server, hitters, missers):
        self.server, self.hitters, self.missers = server, hitters, missers
        self.stopped, self.done = threading.Event(), 0

    def __enter__(self):
        self.wrk = subprocess.Popen(["wrk", "-t1", f"-c{self.hitters}", "-d600", self.server.url("sample")], stdout=subprocess.DEVNULL)
        self.threads = [threading.Thread(target=self.miss) for _ in range(self.missers)]
        for thread in self.threads:
            thread.start()
        return self

    def miss(self):
        while not self.stopped.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _ = self.server.ask(f"/images/sample.jpg?w=800&h={next(self.numbers) + 100}")
                self.done += status == 200
                if status == 503:
                    self.stopped.wait(0.05)

    def __exit__(self, *_):
        self.stopped.set()
        self.wrk.terminate()
        self.wrk.communicate()
        for thread in self.threads:
            thread.join()


def idle_share(seconds_before):
    """Part of the time in which the machine's cores were idle since the counters were read."""
    now = read_cpu()
    total = sum(now) - sum(seconds_before)
    return (now[3] + now[4] - seconds_before[3] - seconds_before[4]) / total if total else 0


def read_cpu():
    return [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


def measure(server, level, options):
    server.go_to(level)
    with Busy(server, options.hitters, options.missers) as busy:
        time.sleep(1)
        before, made = read_cpu(), busy.done
        with storm.Prober(f"health:{server.port}:/api/health", f"metrics:{server.port}:/metrics") as prober:
            time.sleep(options.seconds)
        idle = idle_share(before)
        made = busy.done - made
    if server.memory()["level"] != level:
        print(f"      the level went from {level} to {server.memory()['level']} meanwhile")
    return prober.report, idle, made / options.seconds


def report_latency(options):
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        server = Sluice(folder)
        server.start()
        try:
            names = ("health", "metrics", "control")
            print(f"{'level':12}{'idle':>6}{'misses/s':>10}" + "".join(f"{name + ' p50':>13}{'p99':>8}{'worst':>8}" for name in names))
            for level in LEVELS:
                report, idle, made = measure(server, level, options)
                figures = "".join(f"{row['p50_ms']:>13.1f}{row['p99_ms']:>8.1f}{row['worst_ms']:>8.1f}" for row in (report[name] for name in names))
                print(f"{level:12}{idle:>6.0%}{made:>10.1f}{figures}  {report['health']['statuses']}", flush=True)
                worst = max(worst, report["health"]["p99_ms"])
                if report["health"]["faults"]:
                    print(f"      faults: {report['health']['faults'][:3]}")
        finally:
            server.stop()
    print("\nMilliseconds from the request to the last byte. `control` is a constant server beside it: what the machine adds.")
    print(f"Health within {HEALTH_MS} ms (99th percentile) in every level: {'yes' if worst < HEALTH_MS else 'NO'}\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="per level (default: %(default)s)")
    parser.add_argument("--hitters", type=int, default=64, help="connections that ask for hits (default: %(default)s)")
    parser.add_argument("--missers", type=int, default=8, help="connections that ask for misses (default: %(default)s)")
    parser.add_argument("--part", choices=("latency", "overhead", "both"), default="both")
    parser.add_argument("--rest", type=float, default=30, help="seconds at rest (default: %(default)s)")
    parser.add_argument("--size", type=int, choices=(2, 20, 200), default=2, help="of the picture of the hits, in KB (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="of hits, 3 at least (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=20_000, help="in a sample of hits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order of servers")
    options = parser.parse_args()
    options.protocol = "h1"
    if options.part != "overhead":
        report_latency(options)
    if options.part != "latency":
        overhead.report(options)


if __name__ == "__main__":
    main()

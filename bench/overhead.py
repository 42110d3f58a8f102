"""What watching costs: hits, memory, and CPU at rest, of a server that is watched in every way beside one that is not at all.

Watched: the observer runs (trends, leaks, alerts, stale work), Prometheus' text is scraped once a second, an event stream is open,
and a dashboard's polls come. Not watched: none of these, the module built without its observer (no_observer.c).
"""

import contextlib
import http.client
import os
import random
import socket
import statistics
import threading
import time
from pathlib import Path

import hits
import load
import pressure
import servers

POLLS = {"/metrics": 1.0, "/api/health": 2.0, "/api/memory/trend": 60.0}  # seconds between


class Watched(servers.Sluice):
    name = "watched"

    def config(self):
        config = super().config()
        config["hosts"]["default"]["paths"] |= {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        return config


class WatchedAgain(Watched):
    name = "watched again"


class Unwatched(servers.Sluice):
    name = "unwatched"
    module = servers.ROOT / "build/sluice-no-observer.so"


class Watcher:
    """Everybody who looks at one server, on the core of the load."""

    def __init__(self, server, core):
        self.server, self.core, self.stopped = server, core, threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.poll, args=item) for item in POLLS.items()] + [threading.Thread(target=self.listen)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def poll(self, path, period_s):
        os.sched_setaffinity(0, set(self.core))  # of this thread
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        with contextlib.closing(connection):
            while True:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    print(f"{path} answers {answer.status}")
                if self.stopped.wait(period_s):
                    return

    def listen(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
            sock.sendall(b"GET /api/memory/events HTTP/1.1\r\nHost: default\r\n\r\n")
            sock.settimeout(0.2)
            while not self.stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(65536):
                        print("the event stream ended")
                        return


def resident_bytes(server):
    return int(Path(f"/proc/{server.popen.pid}/statm").read_text().split()[1]) * 4096


def cpu_by_thread(server):
    tasks = Path(f"/proc/{server.popen.pid}/task").iterdir()
    return {(task / "comm").read_text().strip() + f" {task.name}": int((task / "schedstat").read_text().split()[0]) for task in tasks}


def report_rest(running, seconds):
    before = {server.name: cpu_by_thread(server) for server in running}
    time.sleep(seconds)
    for server in running:
        used = {name: ns - before[server.name].get(name, 0) for name, ns in cpu_by_thread(server).items()}
        most = sorted(used.items(), key=lambda item: -item[1])[:5]
        print(
            f"{server.name:16} at rest: {sum(used.values()) / seconds / 1e9:.3%} of one CPU, {resident_bytes(server) / 2**20:.1f} MiB resident; "
            + ", ".join(f"{name.split()[0]} {ns / seconds / 1e9:.3%}" for name, ns in most)
        )
    print()


def report_hits(running, options, cores):
    samples = {server.name: [] for server in running}
    shuffle = random.Random(options.seed).shuffle
    with contextlib.ExitStack() as stack:
        for server in running:
            if isinstance(server, Watched):
                stack.enter_context(Watcher(server, cores.of_load(1)))
        for _ in range(options.rounds):
            order = list(running)
            shuffle(order)
            for server in order:
                samples[server.name].append(pressure.take_sample(server, options, cores))
    for name, row in samples.items():
        print(f"{name:20}{statistics.median(rate for rate, _ in row):>10,.0f} req/s{statistics.median(cpu for _, cpu in row) / 1e3:>10.2f} CPU us/req")
    print()
    for at, what in enumerate(("requests per second", "CPU time per request")):
        for one, other in ((Watched, Unwatched), (WatchedAgain, Unwatched), (WatchedAgain, Watched)):
            ratios = [a[at] / b[at] for a, b in zip(samples[one.name], samples[other.name])]
            print(f"{what:22}{one.name + ' / ' + other.name:32}{pressure.describe(ratios)}")


def report(options):
    cores, classes = load.Cores(), (Watched, WatchedAgain, Unwatched)
    with hits.line_up(hits.Cell(options.size, "h1", 1), classes, cores, ["picture"]) as (running, _, body):
        print(f"hits of {len(body)} bytes, h1, 1 worker, {options.rounds} rounds of {options.requests} requests, seed {options.seed}\n")
        report_rest(running, options.rest)
        report_hits(running, options, cores)

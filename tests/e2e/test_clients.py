"""A crowd of clients, many of which hang up wherever it hurts: the server lives, answers the others, and nothing is left behind.

This is the test that runs under the address and leak sanitizers too, with fewer requests.
"""

import collections
import contextlib
import os
import random
import socket
import struct
import threading

import pytest

import pictures
from clients import Http2, Prober, assert_settles, metrics
from harness import Response, wait_for
from origin import Origin

SANITIZED = "SLUICE_EXTRA_PRELOAD" in os.environ
CLIENTS = 64
REQUESTS = 1000 if SANITIZED else 10000  # of each run
MAX_FETCHES = 16
MIB = 1 << 20

HOT = [f"/images/{name}?w={width}" for name in ("baseline.jpg", "rgba.png", "lossy.webp") for width in (64, 65)]
LARGE = ["/images/photo.tif?w=900&output=png", "/images/progressive.jpg?w=1200&q=95"]
SLOW = [f"/images/slow-{n}.jpg?w=80" for n in range(40)]
COLD = [f"/images/{name}?w={width}" for name in ("grey.jpg", "exif-6.jpg", "palette.png", "plain.gif") for width in range(20, 120)]
ERRORS = {
    "/images/baseline.jpg?w=banana": 400,
    "/images/none.jpg?w=50": 404,
    "/images/": 404,
    "/nowhere": 404,
    "/images/absurd.jpg?w=50": 413,
    "/images/text.jpg?w=50": 422,
    "/images/truncated.png?w=50": 422,
    "/images/broken.jpg?w=50": 502,
}
PICTURES = HOT + LARGE + SLOW + COLD


@pytest.fixture
def origin():
    with Origin(pictures.tests()) as origin:
        for path in SLOW:
            origin.script(path.removeprefix("/images").partition("?")[0], file="baseline.jpg", delay_s=0.05)
        origin.script("/broken.jpg", refuse=True)
        yield origin


class Crowd:
    """Clients in threads of their own, until so many requests have been made. `faults` is what should not have happened, `kinds`
    counts what was done."""

    def __init__(self, server, requests):
        self.server, self.left, self.lock = server, requests, threading.Lock()
        self.faults, self.kinds, self.etags = [], collections.Counter(), {}
        self.threads = [threading.Thread(target=self._run, args=(random.Random(seed),)) for seed in range(CLIENTS)]

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()

    def _run(self, chance):
        connection = self.server.connection(60)
        while self._take():
            act = chance.choices((self._ask, self._ask_and_close, self._hang_up, self._reset_streams), (60, 10, 25, 5))[0]
            try:
                act(chance, connection)
            except Exception as problem:  # whatever it is, a client has seen it
                self.faults.append((act.__name__, repr(problem)))
                connection.close()
            self.kinds[act.__name__] += 1
        connection.close()

    def _take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def _choose(self, chance):
        return chance.choice(chance.choices((HOT, LARGE, SLOW, COLD, list(ERRORS)), (30, 5, 10, 45, 10))[0])

    def _ask(self, chance, connection):
        path, method, headers = self._choose(chance), chance.choice(("GET", "GET", "GET", "HEAD")), {}
        if chance.random() < 0.2 and path in self.etags:
            headers["If-None-Match"] = self.etags[path]
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        self._judge(path, method, headers, Response(answer.status, answer.headers, answer.read()))

    def _ask_and_close(self, chance, connection):
        with contextlib.closing(self.server.connection(60)) as other:
            self._ask(chance, other)

    def _judge(self, path, method, headers, answer):
        expected = ERRORS.get(path, 304 if headers else 200)
        self.kinds[answer.status] += 1
        if answer.status != expected:
            self.faults.append((path, method, headers, answer))
        elif path not in ERRORS:
            # one URL, one content, whoever asks and however often it was made
            if self.etags.setdefault(path, answer.headers["etag"]) != answer.headers["etag"]:
                self.faults.append((path, "another ETag"))
            if (len(answer.body) != 0) != (method == "GET" and answer.status == 200):
                self.faults.append((path, method, answer))

    def _hang_up(self, chance, _):
        request = f"GET {self._choose(chance)} HTTP/1.1\r\nHost: default\r\n\r\n".encode() * chance.choice((1, 1, 1, 2))
        with socket.create_connection(("127.0.0.1", self.server.port), 60) as connection:
            where = chance.choice(("in the request", "at once", "in the head", "in the body", "half closed"))
            connection.sendall(request[: chance.randrange(1, len(request))] if where == "in the request" else request)
            if where in ("in the head", "in the body"):
                self._read_some(connection, 50 if where == "in the head" else chance.randrange(500, 100000))
            elif where == "half closed":
                connection.shutdown(socket.SHUT_WR)
                self._read_some(connection, 1 << 30)
            if chance.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.kinds[where] += 1

    @staticmethod
    def _read_some(connection, count):
        connection.settimeout(0.5)  # what was asked for may be shorter
        with contextlib.suppress(TimeoutError):
            while count > 0 and (more := connection.recv(min(count, 1 << 16))):
                count -= len(more)

    def _reset_streams(self, chance, _):
        with Http2(self.server) as connection:
            paths = {connection.ask(path): path for path in (self._choose(chance) for _ in range(20))}
            for stream in chance.sample(sorted(paths), 10):
                connection.reset(stream)
                del paths[stream]
            for stream, path in list(paths.items())[: chance.choice((0, 5, 10))]:
                status = connection.answer(stream).status
                if status != ERRORS.get(path, 200):
                    self.faults.append((path, "HTTP/2", status))


def open_files(server):
    return len(os.listdir(f"/proc/{server.worker().pid}/fd"))


def assert_all_is_stored(server, crowd):
    """Asks for everything once more: the cache then holds each picture and each source once, and charges what they take. Of the
    broken sources that is the one whose beginning looks sound: of the others it tells that they are of no use."""
    sizes = {path: len(server.get(path).body) for path in PICTURES}
    sources = {path.partition("?")[0] for path in PICTURES} | {"/images/truncated.png"}
    for path in sources:
        name = path.removeprefix("/images/")
        sizes[path] = (pictures.tests() / ("baseline.jpg" if name.startswith("slow") else name)).stat().st_size
    values = metrics(server)
    assert values["sluice_image_cache_entries"] == len(sizes)
    assert sum(sizes.values()) <= values["sluice_image_cache_bytes"] <= sum(sizes.values()) * 1.1 + len(sizes) * 1024 + 4 * 4096


CACHES = [(128, "lru"), (2, "lru"), (2, "s3-fifo"), (128, "cost"), (2, "cost")]


@pytest.mark.parametrize("capacity_mib, policy", CACHES)
def test_crowd(sluice, origin, capacity_mib, policy):
    paths = {"/images": {"image.origin": origin.url("/")}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    cache = {"image-cache.capacity": f"{capacity_mib}MiB", "image-cache.policy": policy}
    settings = {"pressure.budget": "4GiB", "image.max-fetches": MAX_FETCHES, **cache}
    server = sluice({**settings, "image.negative-ttl": "100ms", "hosts": {"default": {"paths": paths}}})
    assert server.get(HOT[0]).status == 200
    files, resident = open_files(server), server.rss_bytes()
    crowd = Crowd(server, REQUESTS)
    capacity_seen = []
    with Prober(server, observe=lambda answer: capacity_seen.append(answer.json()["caches"]["image"])) as prober:
        crowd.run()
    print(f"{dict(crowd.kinds)}, health answered {prober.count} times")
    assert crowd.faults == []
    assert prober.faults == [] and prober.count > 10
    assert all(cache["bytes"] <= cache["capacity_bytes"] == capacity_mib * MIB for cache in capacity_seen)
    assert_settles(server)
    wait_for(lambda: open_files(server) <= files + MAX_FETCHES, 30, "connections are closed")
    if not SANITIZED:
        assert server.rss_bytes() < resident + (capacity_mib + 64) * MIB

    values = metrics(server)
    removed = sum(value for name, value in values.items() if name.startswith("sluice_image_cache_evictions_total"))
    removed -= values['sluice_image_cache_evictions_total{reason="too_large"}']
    assert values["sluice_image_cache_inserts_total"] == values["sluice_image_cache_entries"] + removed
    assert (values['sluice_image_cache_evictions_total{reason="capacity"}'] > 0) == (capacity_mib == 2)
    if capacity_mib != 2:
        assert_all_is_stored(server, crowd)
    assert server.stop()
    assert server.popen.wait(10) == 0  # under the sanitizers: nothing has leaked

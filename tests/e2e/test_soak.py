"""Everything at once: random options of all test pictures, clients that give up, pretended pressure, orders of administrators and
those who look on, over short times to live, quotas and slots. Nobody gets a strange answer, the server stays, its ledger is right,
and nothing is left behind.

SLUICE_SOAK_SECONDS (15) makes it longer, SLUICE_SOAK_SEED another one."""

import collections
import contextlib
import http.client
import json
import os
import random
import threading
import time

import pytest

import pictures
from clients import assert_settles
from purging import BEARER, token_file  # noqa: F401, a fixture

SECONDS = float(os.environ.get("SLUICE_SOAK_SECONDS", 15))
SEED = int(os.environ.get("SLUICE_SOAK_SEED", 6))
CLIENTS = 12
BUDGET_MIB = 2048 if os.environ.get("SLUICE_EXTRA_PRELOAD") else 220  # sanitizers take more for themselves
EXPECTED = {200, 413, 422, 503, 504}
OPTIONS = (
    "w={}", "h={}", "w={}&h=77&fit=cover", "w={}&output=webp", "w={}&output=png", "w={}&output=avif&q=40", "w={}&trim=10", "w={}&blur=3",
    "w={}&ro=37", "w={}&output=gif&n=-1", "w={}&output=json", "w={}&sharp=1", "w={}&cx=1&cy=1&cw=30&ch=30",
    "w={}&precrop&cx=1&cy=1&cw=40&ch=40", "w={}&encoding=base64", "w={}&n=-1&output=webp", "w={}&dpr=2", "w={}&filt=sepia", "lqip",
    "w={}&fit=contain&cbg=red",
)  # fmt: skip
VIEWS = ("/api/health", "/metrics", "/api/memory/report", "/api/memory/trend", "/api/memory/operations", "/api/memory/leaks", "/api/memory/alerts")


class Soak:
    def __init__(self, server):
        self.server, self.end, self.statuses, self.strange = server, time.monotonic() + SECONDS, collections.Counter(), []

    def goes_on(self):
        return time.monotonic() < self.end and self.server.process.is_alive()

    def note(self, path, status, expected):
        self.statuses[path.split("?")[0].rpartition("/")[0], status] += 1
        if status not in expected:
            self.strange.append((path, status))

    def ask(self, connection, chance):
        picture, options = chance.choice(FILES), chance.choice(OPTIONS).format(chance.randrange(1, 400))
        path = f"/{chance.choice(['images', 'images', 'files'])}/{picture}?{options}"
        connection.request("GET", path)
        if chance.random() < 0.05:
            return False
        answer = connection.getresponse()
        self.note(path, answer.status, EXPECTED)
        answer.read(10 if chance.random() < 0.05 else None)
        return answer.isclosed()

    def client(self, number):
        chance = random.Random(SEED * 1000 + number)
        while self.goes_on():
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=chance.choice([0.05, 0.3, 5, 30]))
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                for _ in range(chance.randrange(1, 12)):
                    if not self.ask(connection, chance):
                        break

    def administrator(self):
        """At a pace that leaves time to serve pictures in between."""
        chance, pace = random.Random(SEED), threading.Event()
        while self.goes_on():
            pace.wait(chance.uniform(0, 0.7))
            path, body = chance.choice([
                ("/api/cache/purge", {"prefix": "/images/"}), ("/api/cache/purge", {"all": True}), ("/api/memory/trim", {}), ("/api/memory/cleanup", {}),
                ("/api/memory/simulate", {"bytes": chance.randrange(BUDGET_MIB << 20), "seconds": 1}),
            ])  # fmt: skip
            self.note(path, self.server.get(path, BEARER, "POST", json.dumps(body)).status, {200})
            for view in VIEWS:
                self.note(view, self.server.get(view).status, {200, 503} if view == "/api/health" else {200})


FILES = sorted(path.name for path in pictures.tests().iterdir() if path.is_file())


@pytest.fixture
def server(sluice, origin, token_file):  # noqa: F811
    paths = {"/images": {"image.origin": origin.url("/"), "image-cache.quota": "16MiB", "pressure.max-concurrent": 4},
             "/files": {"image.origin": str(pictures.tests())}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}  # fmt: skip
    return sluice({
        "pressure.budget": f"{BUDGET_MIB}MiB", "image-cache.capacity": "24MiB", "health.admin-token": str(token_file),
        "health.simulate": "ON", "image.svg": "ON", "pressure.dwell": "200ms", "pressure.dwell-critical": "300ms",
        "pressure.reconcile-period": "100ms", "image.ttl": "1s", "image.stale-while-revalidate": "2s", "image.negative-ttl": "1s",
        "pressure.retry-after": "1s", "hosts": {"default": {"paths": paths}},
    })  # fmt: skip


def test_everything_at_once(server):
    soak = Soak(server)
    threads = [threading.Thread(target=soak.client, args=(number,)) for number in range(CLIENTS)]
    threads.append(threading.Thread(target=soak.administrator))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"seed {SEED}: {dict(soak.statuses)}")
    assert server.process.is_alive(), server.log()
    assert not soak.strange, soak.strange[:5]
    assert soak.statuses["/images", 200] and soak.statuses["/files", 200] and soak.statuses["/api/memory", 200]
    server.get("/api/memory/simulate", BEARER, "POST", '{"bytes": 0, "seconds": 0}')
    assert_settles(server, 60)
    assert "fault of Sluice" not in server.log()

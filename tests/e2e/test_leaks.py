"""Leaks: one that is planted is found, a cache that fills is none, and orders are checked. Windows are of a second, so that the spans
that take minutes in service take seconds here."""

import json
import os
import threading
from pathlib import Path

import pytest

from harness import MODULE, compile_c, wait_for
from problems import assert_problem
from purging import BEARER, origin, png, start, token_file  # noqa: F401, fixtures

ROUTE = "/api/memory/leaks"
MIB = 1 << 20
FAST = {"health.leak-window": "1s", "health.leak-warm-up": "0", "health.leak-min-growth": "16MiB", "pressure.sample-period": "200ms",
        "pressure.sample-period-warm": "200ms", "pressure.budget": "2000MiB"}  # fmt: skip
without_sanitizer = pytest.mark.skipif("SLUICE_EXTRA_PRELOAD" in os.environ, reason="a sanitizer keeps what was freed, which grows as a leak does")
DEFAULTS = {"window_ms": 60000, "warm_up_ms": 600000, "min_growth_bytes": 32 * MIB, "likely_points": 75, "suspected_points": 55}


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    return compile_c(Path(__file__).parent / "modules" / "leaky.c", tmp_path_factory.mktemp("modules") / "leaky.so")


def leaks(server):
    answer = server.get(ROUTE)
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def order(server, name, **body):
    answer = server.get(f"{ROUTE}/{name}", BEARER, "POST", json.dumps(body) if body else None)
    assert answer.status == 200, answer.body
    return answer.json()


def metric(server, name):
    return next(float(line.split()[1]) for line in server.get("/metrics").body.decode().splitlines() if line.startswith(f"{name} "))


class Pace:
    """Calls step() so many times a second, from a thread."""

    def __init__(self, step, per_second):
        self.step, self.pause, self.over = step, 1 / per_second, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(self.pause):
            self.step()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@without_sanitizer
def test_a_planted_leak_is_found_and_its_end_too(start, leaky):
    server = start({"/leaky": {"leaky": "ON"}}, **{"load-module": [str(MODULE), str(leaky)], **FAST})
    assert leaks(server)["verdict"] in ("warming-up", "none")
    with Pace(lambda: server.get("/leaky?512"), 10):
        found = wait_for(lambda: (found := leaks(server))["verdict"] == "likely" and found, 90, "the leak is likely")
        verdict = server.get("/api/health")
        assert metric(server, "sluice_leak_suspected") == metric(server, "sluice_leak_likely") == 1
    assert found["confidence"] == sum(found["points"].values()) >= 75 and found["reason"] == "unexplained"
    # 5 MiB per second is meant; a busy machine may be slower
    assert 1 * MIB < found["growth_bytes_per_hour"] / 3600 < 8 * MIB
    left = 2000 * MIB - server.rss_bytes()
    assert 0 < found["seconds_to_budget"] < 3 * left / (found["growth_bytes_per_hour"] / 3600)
    assert found["recommendations"] and found["history"][-1]["verdict"] == "likely"
    assert verdict.status == 200 and verdict.json()["status"] == "degraded"
    assert any("a memory leak is likely" in reason for reason in verdict.json()["reasons"])
    assert server.log().count("sluice: a memory leak is likely") == 1

    ended = wait_for(lambda: (now := leaks(server))["verdict"] == "none" and now, 300, "the leak has ended")
    assert ended["seconds_to_budget"] is None and ended["history"][-1]["verdict"] == "none"
    assert server.log().count("a memory leak is no longer suspected") == 1
    assert server.get("/api/health").json()["status"] == "healthy"

    cleared = order(server, "clear-history")
    assert cleared["history"] == [] and cleared["spans"] == [] and cleared["samples"] == 0 and cleared["verdict"] == "warming-up"


@without_sanitizer
def test_a_cache_that_fills_is_no_leak(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **{**FAST, "image-cache.capacity": "512MiB"})
    origin.script("/noise.png", body=png(9, (700, 700), noisy=True), content_type="image/png")
    widths = iter(range(64, 4000))
    seen = set()

    def fill():
        server.get(f"/images/noise.png?w={next(widths) % 140 + 560}&output=png")
        seen.add(leaks(server)["verdict"])

    before = server.get("/api/health").json()["caches"]["image"]["bytes"]
    with Pace(fill, 25):
        wait_for(lambda: len(leaks(server)["spans"]) >= 2, 90, "a span of half a minute is known")
        wait_for(lambda: server.get("/api/health").json()["caches"]["image"]["bytes"] > before + 20 * MIB, 60, "20 MiB are cached")
    assert seen <= {"warming-up", "none"}, leaks(server)


def test_a_check_takes_a_sample_of_its_own(start):
    server = start({}, **FAST)
    before = leaks(server)
    answer = order(server, "check")
    assert answer["samples"] > before["samples"] and set(answer) == set(before)


def test_configuration(start):
    server = start({})
    assert leaks(server)["config"] == DEFAULTS
    assert order(server, "configure", min_growth_bytes=5 * MIB, likely_points=80) == {
        **DEFAULTS, "min_growth_bytes": 5 * MIB, "likely_points": 80, "suspected_points": 60}  # fmt: skip
    assert order(server, "configure", window_ms=1000)["min_growth_bytes"] == 5 * MIB
    assert leaks(server)["config"]["window_ms"] == 1000


@pytest.mark.parametrize(
    "body", [{}, {"window_ms": 999}, {"window_ms": 3600001}, {"window_ms": "1s"}, {"warm_up_ms": -1}, {"warm_up_ms": 1.5},
             {"min_growth_bytes": 0}, {"likely_points": 101}, {"likely_points": 69}, {"suspected_points": 1}, {"x": 1},
             {"window_ms": 1000, "likely_points": None}]
)  # fmt: skip
def test_wrong_configuration_says_what_is_right(start, body):
    server = start({})
    detail = assert_problem(server.get(f"{ROUTE}/configure", BEARER, "POST", json.dumps(body)), 400, "bad-order")
    assert all(name in detail for name in body if name in ("window_ms", "likely_points") and len(body) == 1)
    assert leaks(server)["config"] == DEFAULTS


def test_settings_and_orders_are_for_those_who_may(start):
    server = start({}, **{"health.leak-window": "2s", "health.leak-likely": 90})
    config = leaks(server)["config"]
    assert (config["window_ms"], config["likely_points"], config["suspected_points"]) == (2000, 90, 70)
    for name in ("check", "configure", "clear-history"):
        assert_problem(server.get(f"{ROUTE}/{name}", {}, "POST", "{}"), 401, "unauthorized")
        assert server.get(f"{ROUTE}/{name}", BEARER).status == 405
    for name in ("check", "clear-history"):
        assert_problem(server.get(f"{ROUTE}/{name}", BEARER, "POST", '{"x": 1}'), 400, "bad-order")
    assert server.get(ROUTE, BEARER, "POST", "{}").status == 405

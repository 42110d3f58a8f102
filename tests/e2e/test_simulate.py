"""Pretended memory: the level follows it up and down, and nobody may pretend without being asked to."""

import json

from harness import wait_for
from problems import assert_problem
from purging import BEARER, origin, start, token_file  # noqa: F401, fixtures

ROUTE = "/api/memory/simulate"
MIB = 1 << 20
FAST = {"pressure.dwell": "100ms", "pressure.dwell-critical": "100ms", "health.simulate": "ON", "pressure.budget": "1000MiB"}


def simulate(server, mib, seconds):
    answer = server.get(ROUTE, BEARER, "POST", json.dumps({"bytes": mib * MIB, "seconds": seconds}))
    assert answer.status == 200, answer.body


def level(server):
    return server.get("/api/health").json()["memory"]["level"]


def test_levels_follow_what_is_pretended(start):
    server = start({}, **FAST)
    for mib, expected in ((680, "elevated"), (730, "degraded"), (780, "high"), (880, "critical"), (930, "emergency")):
        simulate(server, mib, 60)
        wait_for(lambda: level(server) == expected, 5, f"{mib} MiB is {expected}")
    assert server.get("/").status == 503 and server.get("/api/health").status == 503
    simulate(server, 0, 0)
    wait_for(lambda: level(server) == "normal", 10, "the end")


def test_it_ends_by_itself(start):
    server = start({}, **FAST)
    simulate(server, 800, 1)
    wait_for(lambda: level(server) == "high", 5, "high")
    wait_for(lambda: level(server) == "normal", 10, "the end of the second")


def test_wrong_orders_say_what_is_right(start):
    server = start({}, **FAST)
    for body in ("", "{}", "[]", '{"bytes": 1}', '{"bytes": -1, "seconds": 1}', '{"bytes": 1, "seconds": 3601}', '{"bytes": 1.5, "seconds": 1}',
                 '{"bytes": 1, "seconds": 1, "x": 1}', '{"bytes": 1, "bytes": 2, "seconds": 1}'):
        assert_problem(server.get(ROUTE, BEARER, "POST", body), 400, "bad-order")
    assert_problem(server.get(ROUTE, BEARER, "POST", "{" + " " * 20000), 413, "order-too-large")


def test_it_is_off_unless_asked_for(start):
    detail = assert_problem(start({}).get(ROUTE, BEARER, "POST", '{"bytes": 1, "seconds": 1}'), 403, "simulation-off")
    assert "health.simulate" in detail
    assert_problem(start({}, **FAST).get(ROUTE, {}, "POST", '{"bytes": 1, "seconds": 1}'), 401, "unauthorized")

"""What is under way can be seen, and what hangs is cancelled, counted, and told."""

import json
import socket

import pytest

import pictures
from clients import Asked
from harness import wait_for
from problems import assert_problem
from purging import BEARER, origin, png, start, token_file, version_of  # noqa: F401, fixtures

ROUTE = "/api/memory/operations"
LARGE = (3000, 2000)  # of noise: 6 MB


def seen(server, **wanted):
    """The operations under way that have these values."""
    answer = server.get(ROUTE, BEARER)
    assert answer.status == 200, answer.body
    return [one for one in answer.json()["operations"] if all(one[name] == value for name, value in wanted.items())]


def totals(server):
    return server.get(ROUTE).json()["totals"]


def wait_for_one(server, **wanted):
    return wait_for(lambda: seen(server, **wanted), 20, f"an operation with {wanted}; there are {seen(server)}")[0]


def assert_nothing_is_left(server):
    wait_for(lambda: not seen(server) and not any(totals(server)["in_progress"].values()), 10, "no operation is left")


def metric(server, name):
    return float(next(line.rpartition(" ")[2] for line in server.get("/metrics").body.decode().splitlines() if line.startswith(name + " ")))


@pytest.fixture
def server(start, origin):
    return start({"/images": {"image.origin": origin.url("/")}})


def test_nothing(server):
    answer = server.get(ROUTE)
    assert answer.json()["operations"] == [] and answer.headers["Cache-Control"] == "no-store"
    assert totals(server) == {
        "in_progress": {"fetch": 0, "transform": 0, "renewal": 0, "order": 0, "webhook": 0}, "stale": {"fetch": 0, "transform": 0, "renewal": 0, "order": 0, "webhook": 0},
        "stuck": 0, "untracked": 0, "oldest_ms": 0, "drain": "none"}  # fmt: skip


def test_slow_headers(server, origin):
    origin.script("/a.png", body=png(5))
    origin.hold("/a.png")
    asked = [Asked(server, f"/images/a.png?w={width}") for width in (4, 6)]
    fetch = wait_for_one(server, kind="fetch", state="waiting-for-answer")
    assert fetch["bytes"] == 0 and not fetch["stale"] and not fetch["stuck"] and fetch["deadline_ms"] is not None
    wait_for(lambda: len(seen(server, kind="transform", state="waiting-for-source")) == 2, 10, "both wait for it")
    assert len({one["id"] for one in seen(server)}) == 3
    assert totals(server)["in_progress"] == {"fetch": 1, "transform": 2, "renewal": 0, "order": 0, "webhook": 0}
    before = fetch["age_ms"]
    wait_for(lambda: totals(server)["oldest_ms"] >= before + 50, 10, "it grows older")
    assert metric(server, 'sluice_operations_in_progress{kind="transform"}') == 2
    origin.release("/a.png")
    assert [version_of(one.answer()) for one in asked] == [5, 5]
    assert_nothing_is_left(server)


def test_slow_body(server, origin):
    origin.script("/a.png", body=png(5, LARGE, noisy=True), stop_after=100000)
    asked = Asked(server, "/images/a.png?w=4")
    wait_for_one(server, kind="fetch", state="receiving", bytes=100000)
    assert seen(server, kind="fetch")[0]["reserved_bytes"] > 4 << 20
    origin.release("/a.png")
    assert asked.answer().status == 200
    assert_nothing_is_left(server)


def test_connecting(start):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = start({"/images": {"image.origin": f"https://127.0.0.1:{silent.getsockname()[1]}/", "image.connect-timeout": "5m"}})
        asked = Asked(server, "/images/a.png?w=4")
        wait_for_one(server, kind="fetch", state="connecting")
    assert asked.answer().json()["code"] == "origin-unreachable"
    assert_nothing_is_left(server)


def test_waiting_for_a_slot(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"image.max-fetches": 1})
    for name in "ab":
        origin.script(f"/{name}.png", body=png(5))
    origin.hold("/a.png")
    first = Asked(server, "/images/a.png?w=4")
    origin.wait_for_request("/a.png")
    second = Asked(server, "/images/b.png?w=4")
    assert wait_for_one(server, kind="fetch", state="waiting-for-slot")["target"].endswith("/b.png")
    origin.release("/a.png")
    assert first.answer().status == second.answer().status == 200


def test_paused_for_memory(start, origin):
    """Two are let in, whatever the share of sources is; the third waits."""
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"pressure.budget": "200MiB", "pressure.source-share": "3.5%"})
    asked = []
    for name in "abc":
        origin.script(f"/{name}.png", body=png(5, LARGE, noisy=True), stop_after=100000)
        asked.append(Asked(server, f"/images/{name}.png?w=4"))
        origin.wait_for_request(f"/{name}.png")
        wait_for(lambda: len(seen(server, kind="fetch", state="receiving")) + len(seen(server, kind="fetch", state="paused-for-memory")) == len(asked),
                 20, "it has begun")  # fmt: skip
    paused = wait_for_one(server, kind="fetch", state="paused-for-memory")
    assert paused["reserved_bytes"] == 0
    for name in "abc":
        origin.release(f"/{name}.png")
    assert {one.answer().status for one in asked} == {200}
    assert_nothing_is_left(server)


def test_transforming_and_waiting_for_room(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"image.workers": 1, "image.transform-timeout": "5m"})
    for name in "ab":
        origin.script(f"/{name}.png", body=png(5, LARGE, noisy=True))
    first = Asked(server, "/images/a.png?w=2000&output=avif")
    transform = wait_for_one(server, kind="transform", state="transforming")
    assert transform["reserved_bytes"] > 1 << 20 and transform["deadline_ms"] > 300000
    second = Asked(server, "/images/b.png?w=10")
    wait_for_one(server, kind="transform", state="waiting-for-room")
    assert first.answer().status == second.answer().status == 200
    assert_nothing_is_left(server)


def test_renewal(server, origin):
    origin.script("/a.png", body=png(5), headers={"Cache-Control": "max-age=1, stale-while-revalidate=600"})
    assert server.get("/images/a.png?w=4").status == 200
    origin.hold("/a.png")
    wait_for(lambda: server.get("/images/a.png?w=4").status == 200 and origin.count("/a.png") == 2, 10, "it has expired")
    wait_for_one(server, kind="renewal", state="waiting-for-source")
    origin.release("/a.png")
    assert_nothing_is_left(server)


def test_the_report_has_them(server, origin):
    origin.hold("/a.png")
    asked = Asked(server, "/images/a.png?w=4")
    fetch = wait_for_one(server, kind="fetch", state="waiting-for-answer")
    told = server.get("/api/memory/report").json()["operations"]
    assert {one["id"] for one in told["operations"]} >= {fetch["id"]} and told["totals"]["in_progress"]["fetch"] == 1
    assert "target" not in told["operations"][0]
    origin.release("/a.png")
    assert asked.answer().status == 404


def test_a_message_to_a_webhook(start):
    rule = {"name": "always", "when": "sluice_pressure_budget_bytes > 0", "for": "0", "cooldown": "1h", "actions": ["webhook"]}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/?secret"
        server = start({}, **{"health.alerts": [rule], "health.webhook": url})
        message = wait_for_one(server, kind="webhook", state="sending")
        assert message["target"] == "health.webhook"
        wait_for_one(server, kind="webhook", state="pausing")
    assert totals(server)["in_progress"]["webhook"] == 1


def test_targets_are_for_administrators(server, origin):
    origin.hold("/a%20b.png")
    asked = Asked(server, "/images/a%20b.png?w=4&filename=secret")
    fetch = wait_for_one(server, kind="fetch")
    assert fetch["target"].endswith("/images/a b.png") and "secret" not in server.get(ROUTE, BEARER).body.decode()
    assert all("target" not in one for one in server.get(ROUTE).json()["operations"])
    assert_problem(server.get(ROUTE, {"Authorization": "Bearer wrong"}), 401, "unauthorized")
    origin.release("/a%20b.png")
    assert asked.answer().status == 404


def test_many(start, origin):
    """More than are shown; the oldest are."""
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"image.max-fetches": 300})
    origin.script("/a.png", body=png(5))
    origin.hold("/a.png")
    oldest = Asked(server, "/images/a.png?w=1")
    wait_for(lambda: len(seen(server)) == 2, 10, "the first")
    ids = {one["id"] for one in seen(server)}
    asked = [Asked(server, f"/images/a.png?w={width}") for width in range(2, 252)]
    wait_for(lambda: totals(server)["in_progress"]["transform"] == 251, 20, "all")
    shown = seen(server)
    assert len(shown) == 200 and {one["id"] for one in shown[:2]} == ids
    assert [one["age_ms"] for one in shown] == sorted((one["age_ms"] for one in shown), reverse=True)
    origin.release("/a.png")
    assert {one.answer().status for one in [oldest, *asked]} == {200}
    assert_nothing_is_left(server)


# --- stale ones


@pytest.fixture
def impatient(start, origin):
    paths = {"/images": {"image.origin": origin.url("/"), "image.error-ttl": 0}}
    return start(paths, **{"health.stale-after": "1s"})


def assert_was_stale(server, count=1):
    assert metric(server, 'sluice_operations_stale_total{kind="fetch"}') == count
    assert totals(server)["stale"]["fetch"] == count
    assert_nothing_is_left(server)
    health = server.get("/api/health").json()
    assert health["status"] == "healthy" and not any(health["memory"]["reserved_bytes"].values())


@pytest.mark.parametrize("behaviour", ({"delay_s": 300}, {"stop_after": 100000}, {"stop_after": 100000, "length": "chunked"}))
def test_a_download_that_hangs_is_cancelled(impatient, origin, behaviour):
    origin.script("/a.png", body=png(5, LARGE, noisy=True), **behaviour)
    asked = [Asked(impatient, f"/images/a.png?w={width}") for width in (4, 6, 8)]
    answers = [one.answer() for one in asked]
    assert {(answer.status, answer.json()["code"]) for answer in answers} == {(504, "origin-timeout")}
    assert "health.stale-after" in answers[0].json()["detail"]
    origin.wait_for_abort("/a.png")
    assert_was_stale(impatient)
    assert "operations are stale or stuck: the first, stale after" in impatient.log() and "/images/a.png" in impatient.log()
    origin.script("/a.png", body=png(7))
    assert version_of(impatient.get("/images/a.png?w=4")) == 7


def test_there_is_an_event_for_what_is_cancelled(impatient, origin):
    stream = Asked(impatient, "/api/memory/events").connection.getresponse()
    origin.hold("/a.png")
    assert impatient.get("/images/a.png?w=4").status == 504
    for line in stream:
        if line == b"event: operation\n":
            break
    event = json.loads(next(stream).removeprefix(b"data: "))
    assert (event["state"], event["kind"], event["was"], event["bytes"]) == ("stale", "fetch", "waiting-for-answer", 0)
    assert event["age_ms"] >= 1000 and "a.png" not in str(event)  # everybody may listen


def test_a_renewal_that_hangs_is_cancelled(impatient, origin):
    origin.script("/a.png", body=png(5), headers={"Cache-Control": "max-age=1, stale-while-revalidate=600"})
    assert impatient.get("/images/a.png?w=4").status == 200
    origin.hold("/a.png")
    wait_for(lambda: impatient.get("/images/a.png?w=4").status == 200 and origin.count("/a.png") == 2, 10, "it has expired")
    origin.wait_for_abort("/a.png")
    wait_for(lambda: totals(impatient)["stale"]["fetch"] == 1, 10, "it is counted")
    assert impatient.get("/images/a.png?w=4").status == 200


def test_what_is_slow_and_does_not_hang_is_not_cancelled(impatient, origin):
    body = png(5, (800, 800), noisy=True)
    origin.script("/a.png", body=body, bytes_per_second=len(body) // 3)
    assert impatient.get("/images/a.png?w=4").status == 200
    assert totals(impatient)["stale"]["fetch"] == 0


def test_log_lines_are_limited(impatient, origin):
    for number in range(40):
        origin.script(f"/{number}.png", delay_s=300)
    for first in range(0, 40, 10):  # each ten in a look of its own
        asked = [Asked(impatient, f"/images/{number}.png?w=4") for number in range(first, first + 10)]
        assert {one.answer().status for one in asked} == {504}
    assert_was_stale(impatient, 40)
    assert 1 <= impatient.log().count("stale or stuck") <= 2


def test_what_does_not_stop_is_reported(start, origin):
    """An encoder of AVIF does not let itself be interrupted. The observer has to look twice while it is at it."""
    origin.script("/a.png", body=png(5, (3000, 2400), noisy=True))
    paths = {"/images": {"image.origin": origin.url("/"), "image.request-timeout": "5m"}}
    limits = {"image.transform-timeout": "500ms", "health.stale-after": "100ms", "image.workers": 1}
    server = start(paths, **limits)
    asked = Asked(server, "/images/a.png?output=avif&q=95")
    wait_for(lambda: totals(server)["stuck"] == 1, 20, "it is stuck")
    assert seen(server, stuck=True)[0]["kind"] == "transform"
    health = server.get("/api/health")
    assert health.status == 200 and health.json()["status"] == "degraded"
    assert any("has not stopped" in reason for reason in health.json()["reasons"])
    assert metric(server, "sluice_operations_stuck") == 1
    assert asked.answer().status in (200, 503)
    wait_for(lambda: server.get("/api/health").json()["status"] == "healthy", 20, "it is over")
    assert_nothing_is_left(server)

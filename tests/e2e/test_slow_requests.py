"""Which requests are noted as slow, and what is told of them: in the list, in the log and as a number."""

import base64
import hmac
import re
import time

import pytest

import pictures
from clients import Asked, Http2, metrics
from harness import wait_for
from origin import Origin
from problems import assert_problem
from purging import BEARER, start, token_file  # noqa: F401, fixtures

ROUTE = "/api/metrics/slow"
KEYS = {"at", "duration_ms", "sent_ms", "method", "host", "path", "status", "body_bytes", "cache_status", "server_timing"}


@pytest.fixture
def origin():
    with Origin(pictures.tests()) as origin:
        origin.script("/slow.jpg", file="baseline.jpg", delay_s=0.4)
        origin.script("/slow-none.jpg", status=404, delay_s=0.4)
        yield origin


@pytest.fixture
def server(start, origin):
    return start({"/images": {"image.origin": origin.url("/")}}, **{"health.slow-request": "300ms"})


def slow(server):
    answer = server.get(ROUTE, BEARER)
    assert answer.status == 200, answer.body
    return answer.json()


def noted(server, count=1):
    """The latest slow requests, as soon as there are that many and they are sent."""

    def look():
        latest = slow(server)["latest"]
        return len(latest) == count and all(entry["sent_ms"] or entry["status"] == 499 for entry in latest) and latest

    return wait_for(look, 10, f"{count} slow requests")


def total(server):
    return metrics(server)["sluice_slow_requests_total"]


def lines(server):
    return [line for line in server.log().splitlines() if line.startswith("sluice: slow: ")]


def let_pass(seconds):
    """Being slow takes time, here of a client or an origin that do nothing."""
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > seconds, seconds + 5, "the time passes")


def test_what_is_told_of_a_slow_request(server):
    before = time.time()
    answer = server.get("/images/slow.jpg?w=50&q=80")
    (entry,) = noted(server)
    assert entry.keys() == KEYS
    assert before - 1 < entry["at"] < time.time() + 1
    assert 400 <= entry["duration_ms"] <= entry["sent_ms"]
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/images/slow.jpg?w=50&q=80", 200)
    assert entry["host"] == f"127.0.0.1:{server.port}"
    assert entry["body_bytes"] == len(answer.body)
    assert entry["cache_status"] == answer.headers["Cache-Status"]
    assert entry["server_timing"] == answer.headers["Server-Timing"]
    whole = slow(server)
    assert whole["slowest"] == [entry] and whole["threshold_ms"] == 300
    assert whole["slow_requests_total"] == total(server) == 1
    (line,) = wait_for(lambda: lines(server), 5, "a line")
    assert "/images/slow.jpg?w=50&q=80: 200, " in line and entry["cache_status"] in line and entry["server_timing"] in line


def test_others_are_not_noted(server):
    server.get("/images/baseline.jpg?w=50")
    server.get("/images/slow.jpg?w=50")
    for _ in range(5):  # hits, however long it took to make them
        assert server.get("/images/slow.jpg?w=50").headers["Cache-Status"].startswith("sluice; hit")
    server.get("/images/none.jpg")
    noted(server)
    assert total(server) == 1


def test_signatures_are_left_out(start, origin, tmp_path):
    key_file = tmp_path / "sign.key"
    key_file.write_text("a-key-of-the-tests-0123456789\n")
    key_file.chmod(0o600)
    server = start({"/images": {"image.origin": origin.url("/"), "image.sign-key": str(key_file)}}, **{"health.slow-request": "300ms"})
    target = "/images/slow.jpg?w=50&exp=9999999999"
    mac = hmac.digest(b"a-key-of-the-tests-0123456789", target.encode(), "sha256")
    signature = base64.urlsafe_b64encode(mac).decode().rstrip("=")
    secret = "ThisIsASecret"
    assert server.get(f"{target}&sig={signature}", {"Cookie": secret, "Authorization": secret}).status == 200
    (entry,) = noted(server)
    assert entry["path"] == "/images/slow.jpg?w=50&exp=...&sig=..."
    (line,) = wait_for(lambda: lines(server), 5, "a line")
    for text in (line, server.log(), server.get(ROUTE, BEARER).body.decode()):
        assert signature not in text and secret not in text


def test_unknown_parameters_that_are_ignored_are_left_out(start, origin):
    server = start({"/images": {"image.origin": origin.url("/"), "image.strict": "OFF"}}, **{"health.slow-request": "300ms"})
    assert server.get("/images/slow.jpg?w=50&token=ThisIsASecret").status == 200
    (entry,) = noted(server)
    assert entry["path"] == "/images/slow.jpg?w=50&token=..."
    (line,) = wait_for(lambda: lines(server), 5, "a line")
    assert "/images/slow.jpg?w=50&token=...: 200, " in line and "ThisIsASecret" not in server.log()


def test_errors_and_heads(server):
    assert server.get("/images/slow-none.jpg?w=50").status == 404
    assert server.get("/images/slow.jpg?w=60", method="HEAD").status == 200
    head, error = noted(server, 2)
    assert (error["status"], error["server_timing"]) == (404, "") and "detail=not-found" in error["cache_status"]
    assert error["body_bytes"] > 0
    assert (head["method"], head["status"], head["body_bytes"]) == ("HEAD", 200, 0)


def test_a_fallback_is_one_request(server):
    answer = server.get("/images/slow-none.jpg?w=50&default=rgb.png")
    assert answer.status == 200
    (entry,) = noted(server)
    assert entry["status"] == 200 and entry["duration_ms"] >= 400
    assert entry["path"] == "/images/slow-none.jpg?w=50&default=rgb.png"
    assert total(server) == 1
    text = server.get("/metrics").body.decode()
    assert 'sluice_request_duration_seconds_count{outcome="miss"} 1\n' in text
    assert 'sluice_request_duration_seconds_count{outcome="error"} 0\n' in text


def test_all_that_wait_for_one_picture(server, origin):
    """Each of them has waited."""
    origin.hold("/rgb.png")
    clients = [Asked(server, "/images/rgb.png?w=50") for _ in range(5)]
    origin.wait_for_request("/rgb.png")
    wait_for(lambda: metrics(server)["sluice_requests_in_progress"] == 5, 10, "all wait")
    let_pass(0.35)
    origin.release("/rgb.png")
    for client in clients:
        assert client.answer().status == 200
    entries = noted(server, 5)
    assert sum("collapsed" in entry["cache_status"] for entry in entries) == 4


def test_a_client_that_gives_up(server, origin):
    origin.hold("/rgb.png")
    client = Asked(server, "/images/rgb.png?w=50")
    origin.wait_for_request("/rgb.png")
    let_pass(0.35)
    client.hang_up()
    (entry,) = noted(server)
    assert (entry["status"], entry["sent_ms"], entry["path"]) == (499, None, "/images/rgb.png?w=50")


def test_a_stream_that_is_reset(server, origin):
    origin.hold("/rgb.png")
    with Http2(server) as connection:
        stream = connection.ask("/images/rgb.png?w=50")
        origin.wait_for_request("/rgb.png")
        let_pass(0.35)
        connection.reset(stream)
        (entry,) = noted(server)
    assert (entry["status"], entry["method"], entry["path"]) == (499, "GET", "/images/rgb.png?w=50")
    assert entry["host"]


def test_how_long_it_took_to_be_sent(server, origin):
    """A client whose window is shut: the answer is ready, and not yet sent."""
    origin.script("/large.png", file="rgb.png", delay_s=0.4)
    with Http2(server, window=100) as connection:
        stream = connection.ask("/images/large.png?w=300&output=png&l=0")
        connection.wait_for_bytes(stream, 100)
        (entry,) = slow(server)["latest"]
        assert entry["sent_ms"] is None and entry["body_bytes"] > 100
        let_pass(0.3)
        connection.widen(stream, 1 << 24)
        assert connection.answer(stream).status == 200
        (sent,) = noted(server)
    assert sent["sent_ms"] >= sent["duration_ms"] + 300
    assert {**sent, "sent_ms": None} == entry


def test_the_log_has_a_line_a_second(server, origin):
    connection = [Asked(server, f"/images/slow.jpg?w={width}") for width in range(20, 60)]
    for client in connection:
        assert client.answer().status == 200
    noted(server, 16)
    assert total(server) == 40
    assert 1 <= len(wait_for(lambda: lines(server), 5, "a line")) < 10
    wait_for(lambda: told(server) == 40, 5, "each is counted in a line")


def told(server):
    """How many the lines are about."""
    return sum(1 + int((re.search(r"; and (\d+) more, not as slow$", line) or [0, 0])[1]) for line in lines(server))


def test_none_is_slow_without_a_limit(start, origin):
    server = start({"/images": {"image.origin": origin.url("/")}}, **{"health.slow-request": "none"})
    assert server.get("/images/slow.jpg?w=50").status == 200
    assert slow(server) == {"slowest": [], "latest": [], "threshold_ms": 0, "slow_requests_total": 0}
    assert total(server) == 0 and "sluice: slow" not in server.log()


def test_it_is_for_administrators(server):
    assert_problem(server.get(ROUTE), 401, "unauthorized")
    assert_problem(server.get(ROUTE, BEARER, "POST", "{}"), 405, "method-not-allowed")

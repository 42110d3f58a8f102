"""The end of a server: everybody gets an answer, within a limit, and then the process is gone, whatever clients and origins do."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time

import pytest

import pictures
from clients import Asked
from harness import wait_for
from problems import assert_problem
from purging import BEARER, png, start, token_file, version_of  # noqa: F401, fixtures
from origin import Origin
from test_operations import LARGE, seen, totals

STEP_S = 2  # between the answers of the limit and the cut, and between that and the end
SLACK_S = 10  # of a busy machine
ROUTE = "/api/memory/operations"


@pytest.fixture
def origin():
    with Origin(pictures.tests()) as origin:
        origin.script("/a.png", body=png(5))
        origin.script("/large.png", body=png(5, LARGE, noisy=True))
        yield origin


@pytest.fixture
def drained(start, origin):
    """drained("4s") is a server with that health.drain-timeout, whose requests, downloads and transforms have any time."""

    def start_server(timeout, **settings):
        return start({"/images": {"image.origin": origin.url("/"), "image.request-timeout": "5m"}},
                     **{"health.drain-timeout": timeout, "health.stale-after": "5m", "image.transform-timeout": "5m", **settings})  # fmt: skip

    return start_server


def terminate(server):
    """Returns when the server has begun to drain."""
    server.process.signal(signal.SIGTERM)
    wait_for(lambda: "sluice: shutdown:" in server.log() and "gracefully shutting down" in server.log(), 10, "the shutdown begins")


def kept(server):
    """A connection that has been used once."""
    connection = server.connection()
    ask(connection, "/api/health/")
    return connection


def ask(connection, path):
    connection.request("GET", path, headers=BEARER)
    answer = connection.getresponse()
    return answer, answer.read()


def assert_ends(server, within_s, at_least_s=0):
    began = time.monotonic()
    assert server.popen.wait(within_s + SLACK_S) == 0
    assert time.monotonic() - began >= at_least_s
    assert "AddressSanitizer" not in server.log() and "assertion" not in server.log().lower()


def test_nothing_to_wait_for(drained):
    server = drained("10m")
    assert server.get("/images/a.png?w=4").status == 200
    server.process.signal(signal.SIGTERM)
    assert_ends(server, 2)


def test_what_is_under_way_is_finished(drained, origin):
    server = drained("10m")
    origin.hold("/a.png")
    asked = [Asked(server, f"/images/a.png?w={width}") for width in range(1, 21)]
    wait_for(lambda: totals(server)["in_progress"]["transform"] == 20, 10, "all are waiting")
    terminate(server)
    origin.release("/a.png")
    answers = [one.answer() for one in asked]
    assert [version_of(answer) for answer in answers] == [5] * 20
    assert {answer.headers["Connection"] for answer in answers} == {"close"}  # though they were asked for before
    assert_ends(server, 2)  # and not when kept connections are found idle
    assert "nothing is under way; 21 operations have ended, 0 of them cancelled" in server.log()


def test_a_miss_on_a_kept_connection_is_served_at_first(drained, origin):
    """A client cannot know of the shutdown, and gets no error for it; with that answer its connection ends."""
    server = drained("10m")
    origin.hold("/a.png")
    waiting, connections = Asked(server, "/images/a.png?w=4"), [kept(server) for _ in range(3)]
    origin.wait_for_request("/a.png")
    terminate(server)
    answer, body = ask(connections[0], "/images/baseline.jpg?w=20")
    assert answer.status == 200 and answer.getheader("Connection") == "close" and body[:2] == b"\xff\xd8"
    answer, body = ask(connections[1], "/images/baseline.jpg?w=20")
    assert answer.status == 200 and "hit" in answer.getheader("Cache-Status")
    answer, body = ask(connections[2], ROUTE)
    assert b'"drain": "begun"' in body.replace(b'":"', b'": "')
    origin.release("/a.png")
    assert waiting.answer().status == 200
    assert_ends(server, 2)


def test_who_asks_is_told(drained, origin):
    server = drained("10m")
    origin.hold("/a.png")
    waiting, connections = Asked(server, "/images/a.png?w=4"), [kept(server) for _ in range(4)]
    origin.wait_for_request("/a.png")
    assert server.get("/api/health/ready").status == server.get("/api/health/live").status == 200
    terminate(server)
    answer, body = ask(connections[0], "/api/health/ready")
    assert answer.status == 503 and json.loads(body)["draining"] is True
    assert ask(connections[1], "/api/health/live")[0].status == 200
    assert b"\nsluice_draining 1\n" in ask(connections[2], "/metrics")[1]
    answer, body = ask(connections[3], ROUTE)
    assert json.loads(body)["totals"] | {"oldest_ms": 0} == {
        "in_progress": {"fetch": 1, "transform": 1, "renewal": 0, "order": 0, "webhook": 0}, "stale": {"fetch": 0, "transform": 0, "renewal": 0, "order": 0, "webhook": 0},
        "stuck": 0, "untracked": 0, "oldest_ms": 0, "drain": "begun"}  # fmt: skip
    origin.release("/a.png")
    assert waiting.answer().status == 200
    assert_ends(server, 2)


def test_a_stream_of_events_does_not_hold_the_server(drained):
    server = drained("10m")
    streams = [Asked(server, "/api/memory/events").connection.getresponse() for _ in range(3)]
    assert {stream.status for stream in streams} == {200}
    server.process.signal(signal.SIGTERM)
    for stream in streams:
        stream.read()
    assert_ends(server, 2)


def test_a_miss_is_refused_when_there_is_little_time_left(drained, origin):
    server = drained("8s")
    assert server.get("/images/baseline.jpg?w=20").status == 200
    origin.hold("/a.png")
    waiting, connections = Asked(server, "/images/a.png?w=4"), [kept(server) for _ in range(3)]
    origin.wait_for_request("/a.png")
    terminate(server)
    wait_for(lambda: "misses are answered 503" in server.log(), 20, "half of the time is over")
    assert b'"drain":"refusing"' in ask(connections.pop(), ROUTE)[1].replace(b" ", b"")
    answer, body = ask(connections.pop(), "/images/baseline.jpg?w=20")
    assert answer.status == 200 and "hit" in answer.getheader("Cache-Status")
    answer, body = ask(connections.pop(), "/images/baseline.jpg?w=21")
    assert answer.status == 503 and b'"draining"' in body and answer.getheader("Connection") == "close"
    assert int(answer.getheader("Retry-After")) > 0 and origin.count("/baseline.jpg") == 1
    origin.release("/a.png")
    assert waiting.answer().status == 200
    assert_ends(server, 2)


def test_an_origin_that_hangs_is_given_up_at_the_limit(drained, origin):
    server = drained("1s", **{"image.max-fetches": 2, "image.workers": 1})
    for name in "bcd":
        origin.script(f"/{name}.png", body=png(5))
        origin.hold(f"/{name}.png")
    origin.script("/e.png", body=png(5, LARGE, noisy=True), stop_after=100000)
    asked = [Asked(server, f"/images/{name}.png?w={width}") for name in "bcde" for width in (4, 6, 8)]
    wait_for(lambda: totals(server)["in_progress"]["transform"] == 12, 10, "all are waiting")
    wait_for(lambda: len(seen(server, state="waiting-for-slot")) == 2, 10, "two cannot even begin")
    terminate(server)
    answers = [one.answer() for one in asked]
    for answer in answers:
        assert (answer.status, answer.json()["code"], answer.headers["Connection"]) == (503, "draining", "close")
        assert int(answer.headers["Retry-After"]) > 0
    assert_ends(server, STEP_S)
    assert "16 operations are cancelled" in server.log()
    assert "ends now" not in server.log()


def test_transforms_are_given_up_at_the_limit(drained, origin):
    server = drained("0", **{"image.workers": 1, "image.queue-timeout": "5m"})
    asked = [Asked(server, f"/images/large.png?w=2900&output={output}") for output in ("avif", "png")]
    wait_for(lambda: seen(server, state="transforming"), 20, "it is at work")
    asked.append(Asked(server, "/images/baseline.jpg?w=10"))
    wait_for(lambda: seen(server, state="waiting-for-room"), 20, "another one waits")
    terminate(server)
    assert {(answer.status, answer.json()["code"]) for answer in [one.answer() for one in asked]} == {(503, "draining")}
    assert_ends(server, 2 * STEP_S)


def test_who_waits_for_what_does_not_stop_is_answered_at_the_limit(drained, origin):
    """An encoder of AVIF does not let itself be interrupted. It has to be at work for longer than two looks of the observer."""
    origin.script("/huge.png", body=png(5, (4200, 3400), noisy=True))
    server = drained("0", **{"image.workers": 1, "image.transform-timeout": "500ms", "health.stale-after": "100ms"})
    asked = [Asked(server, "/images/huge.png?output=avif&q=95") for _ in range(3)]
    wait_for(lambda: totals(server)["stuck"] == 1, 30, "it is stuck")
    terminate(server)
    assert {(answer.status, answer.json()["code"]) for answer in [one.answer() for one in asked]} == {(503, "draining")}
    assert_ends(server, STEP_S)


def test_a_renewal_does_not_hold_the_server(drained, origin):
    origin.script("/a.png", body=png(5), headers={"Cache-Control": "max-age=1, stale-while-revalidate=600"})
    server = drained("10m")
    assert server.get("/images/a.png?w=4").status == 200
    origin.hold("/a.png")
    wait_for(lambda: server.get("/images/a.png?w=4").status == 200 and seen(server, kind="renewal"), 10, "it is being renewed")
    server.process.signal(signal.SIGTERM)
    assert_ends(server, 2)


def test_a_renewal_is_not_begun(drained, origin):
    origin.script("/a.png", body=png(5), headers={"Cache-Control": "max-age=1, stale-while-revalidate=600"})
    server = drained("10m")
    assert server.get("/images/a.png?w=4").status == 200
    expired, connections = time.monotonic() + 1.1, [kept(server) for _ in range(2)]
    origin.hold("/baseline.jpg")
    origin.hold("/a.png")
    waiting = Asked(server, "/images/baseline.jpg?w=4")
    origin.wait_for_request("/baseline.jpg")
    terminate(server)
    wait_for(lambda: time.monotonic() > expired, 5, "it has expired")
    answer, body = ask(connections[0], "/images/a.png?w=4")
    assert answer.status == 200 and "revalidating" in answer.getheader("Cache-Status")
    assert json.loads(ask(connections[1], ROUTE)[1])["totals"]["in_progress"]["renewal"] == 0
    assert origin.count("/a.png") == 1
    origin.release("/baseline.jpg")
    assert waiting.answer().status == 200
    assert_ends(server, 2)


def slow_reader(server, path):
    """A client that has asked and does not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", server.port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: default\r\n\r\n".encode())
    assert sock.recv(1) == b"H"
    return sock


def test_clients_that_do_not_read_are_cut_off(drained, origin):
    server = drained("1s")
    assert server.get("/images/large.png?w=2900&output=png&l=0").status == 200
    with slow_reader(server, "/images/large.png?w=2900&output=png&l=0") as sock:
        terminate(server)
        assert_ends(server, 1 + STEP_S, STEP_S / 2)
        with contextlib.suppress(ConnectionError):
            while sock.recv(1 << 16):
                pass
    assert "are cut off" in server.log() and "ends now" not in server.log()


def test_idle_clients_are_cut_off(drained):
    server = drained("1s")
    connections = [kept(server) for _ in range(5)]
    terminate(server)
    assert_ends(server, 1 + STEP_S)
    for connection in connections:
        connection.close()


def test_half_a_request_is_cut_off(drained):
    server = drained("0")
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"POST /api/cache/purge HTTP/1.1\r\nHost: default\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n{")
        assert sock.recv(12) == b"HTTP/1.1 100"
        terminate(server)
        assert_ends(server, STEP_S)


def test_what_cannot_be_cut_off_ends_with_the_process(start, origin):
    """h2o does not look at a client while another handler of its is at work for it."""
    paths = {"/images": {"image.origin": origin.url("/")}, "/proxied": {"proxy.reverse.url": origin.url("/")}}
    server = start(paths, **{"health.drain-timeout": "0", "proxy.timeout.io": 300000})
    origin.hold("/a.png")
    Asked(server, "/proxied/a.png")
    origin.wait_for_request("/a.png")
    terminate(server)
    assert_ends(server, 2 * STEP_S, STEP_S)
    assert "ends now" in server.log()


def test_http2_streams_are_answered(drained, origin):
    server = drained("1s")
    origin.hold("/a.png")
    answers = []

    def ask_http2(width):
        answers.append(server.get(f"/images/a.png?w={width}", http2=True))

    threads = [threading.Thread(target=ask_http2, args=(width,)) for width in (4, 6, 8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: totals(server)["in_progress"]["transform"] == 3, 10, "all are waiting")
    terminate(server)
    for thread in threads:
        thread.join()
    assert [(answer.status, answer.json()["code"]) for answer in answers] == [(503, "draining")] * 3
    assert_ends(server, 2 * STEP_S)


def test_again_and_interrupted(drained, origin):
    """As in h2o alone, a second SIGTERM changes nothing, and SIGINT ends at once."""
    server = drained("10m")
    origin.hold("/a.png")
    asked = Asked(server, "/images/a.png?w=4")
    origin.wait_for_request("/a.png")
    terminate(server)
    server.process.signal(signal.SIGTERM)
    origin.release("/a.png")
    assert asked.answer().status == 200
    assert_ends(server, 2)
    server = drained("10m")
    origin.hold("/a.png")
    asked = Asked(server, "/images/a.png?w=4")
    origin.wait_for_request("/a.png", 2)
    terminate(server)
    server.process.signal(signal.SIGINT)
    assert server.popen.wait(SLACK_S) == -signal.SIGINT


class Crowd:
    """Clients that ask for new pictures without a pause. A connection that could not be made is no failure, and one that was closed
    before the first byte of an answer neither, if it had been used before: that is how connections end."""

    def __init__(self, server, size):
        self.server, self.statuses, self.broken, self.stopped = server, [], [], threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(number,)) for number in range(size)]
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        connection, uses, count = self.server.connection(), 0, 0
        while not self.stopped.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:
                return
            try:
                count += 1
                connection.request("GET", f"/images/exif-{1 + count % 8}.jpg?w={20 + count // 8 % 300}&q={20 + number}")
                answer = connection.getresponse()
                body = answer.read()
                uses += 1
                self.statuses.append(answer.status)
                if answer.status not in (200, 503) or (answer.status == 503 and b'"draining"' not in body):
                    self.broken.append((answer.status, body))
                if connection.sock is None:
                    uses = 0
            except (http.client.RemoteDisconnected, ConnectionError) as problem:
                if uses == 0 and not isinstance(problem, ConnectionResetError):
                    self.broken.append(problem)
                connection.close()
                uses = 0
        connection.close()

    def join(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_a_crowd_is_answered(drained, origin):
    server = drained("4s")
    crowd = Crowd(server, 16)
    wait_for(lambda: len(crowd.statuses) > 200, 30, "it is at work")
    terminate(server)
    assert_ends(server, 4 + 2 * STEP_S)
    crowd.join()
    assert crowd.broken == []
    assert "ends now" not in server.log()

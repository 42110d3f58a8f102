"""What all errors have in common, for the tests that provoke them.

    assert "image.max-pixels" in assert_error(server.get("/images/huge.png"), "too-many-pixels")
    assert_sound(server)      # idle again, nothing reserved, and able to make a picture

The server under test has image.negative-ttl: 60s, image.error-ttl: 0 and pressure.retry-after: 7s, its pictures at /images and its health at /api.
"""

import http.client
import os
import socket

from harness import Response, wait_for
from structured import cache_status

# code: status, title, remembered, with Retry-After
ERRORS = {
    "not-found": (404, "Not Found", True, False),
    "not-an-image": (422, "Unprocessable Content", True, False),
    "broken-image": (422, "Unprocessable Content", True, False),
    "unbounded-drawing": (422, "Unprocessable Content", True, False),
    "source-too-large": (413, "Content Too Large", True, False),
    "too-many-pixels": (413, "Content Too Large", True, False),
    "too-many-pages": (413, "Content Too Large", False, False),
    "no-such-page": (400, "Bad Request", False, False),
    "answer-too-large": (413, "Content Too Large", False, False),
    "source-never-fits": (413, "Content Too Large", True, False),
    "never-fits": (413, "Content Too Large", False, False),
    "origin-unreachable": (502, "Bad Gateway", False, False),
    "origin-status": (502, "Bad Gateway", False, False),
    "origin-failed": (502, "Bad Gateway", False, False),
    "origin-broken": (502, "Bad Gateway", False, False),
    "origin-redirects": (502, "Bad Gateway", False, False),
    "origin-redirect-forbidden": (502, "Bad Gateway", False, False),
    "origin-forbidden-address": (502, "Bad Gateway", False, False),
    "origin-unreadable": (502, "Bad Gateway", False, False),
    "origin-timeout": (504, "Gateway Timeout", False, False),
    "request-timeout": (504, "Gateway Timeout", False, False),
    "not-cached": (504, "Gateway Timeout", False, False),
    "no-room": (503, "Service Unavailable", False, True),
    "queue-full": (503, "Service Unavailable", False, True),
    "transform-timeout": (503, "Service Unavailable", False, True),
    "draining": (503, "Service Unavailable", False, True),
}
RETRY_AFTER_S, NEGATIVE_TTL_S = 7, 60
COMMON_SETTINGS = {"pressure.retry-after": f"{RETRY_AFTER_S}s", "image.negative-ttl": f"{NEGATIVE_TTL_S}s", "image.error-ttl": 0}
SLACK = 5 if os.environ.get("SLUICE_EXTRA_PRELOAD") else 1  # of a build with sanitizers


def assert_error(answer, code, collapsed=False):
    """An answer is that error, in all that errors have in common. Returns the detail."""
    status, title, remembered, retry = ERRORS[code]
    assert answer.status == status, (answer, answer.body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert {name: problem[name] for name in ("type", "status", "title", "code")} == {
        "type": "about:blank", "status": status, "title": title, "code": code}  # fmt: skip
    said = cache_status(answer)
    assert said["detail"] == code and said.get("stored") is None
    assert said.get("fwd") == "uri-miss" or (said.get("hit") and "ttl" not in said and not collapsed)
    assert said.get("collapsed", False) == collapsed
    left_s = NEGATIVE_TTL_S
    if remembered and said.get("hit"):  # it may be a while since it was learnt
        left_s = int(answer.headers["Cache-Control"].rpartition("=")[2])
        assert 0 < left_s <= NEGATIVE_TTL_S
    assert answer.headers["Cache-Control"] == (f"public, max-age={left_s}" if remembered else "no-store")
    assert answer.headers["Retry-After"] == (str(RETRY_AFTER_S) if retry else None)
    assert answer.headers["ETag"] is None and answer.headers["Age"] is None
    assert len(problem["detail"]) > 20
    return problem["detail"]


def assert_problem(answer, status, code):
    """The same for what is refused before the cache is asked. Returns the detail."""
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), (answer, answer.body)
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Cache-Status"] is None
    return problem["detail"]


fresh_width = iter(range(300, 8000))  # of pictures that no test has asked for


def assert_sound(server, path="/images/baseline.jpg"):
    """Idle, nothing reserved, and at work again for a picture that it does not have yet."""

    def is_idle():
        health = server.get("/api/health").json()
        return not any(health["operations"].values()) and not any(health["memory"]["reserved_bytes"].values())

    wait_for(is_idle, 10, "no operation and no reservation is left")
    answer = server.get(f"{path}?w={next(fresh_width)}")
    assert answer.status == 200 and cache_status(answer).get("stored"), answer.body
    wait_for(is_idle, 10, "no operation and no reservation is left")


def raw(server, data):
    """Bytes on a connection of their own, and the answer to them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock, sock.makefile("rb") as stream:
        sock.sendall(data)
        status = int(stream.readline().split()[1])
        headers = http.client.parse_headers(stream)
        return Response(status, headers, stream.read(int(headers["Content-Length"])))

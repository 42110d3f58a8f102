"""What Cache-Status says, case by case as in module/cache_status.h; stale answers, and Server-Timing and Age with them."""

import re

import pytest

import pictures
from clients import Asked, metrics, operations
from harness import wait_for
from pictures import fetch
from structured import cache_status, parse_list

PATH = "/images/baseline.jpg?w=100"
NAME = "/baseline.jpg"
SHORT = "max-age=1, stale-while-revalidate=0, stale-if-error=0"


@pytest.fixture
def server(sluice, origin):
    return start(sluice, origin)


def start(sluice, origin, **settings):
    paths = {
        "/images": {"image.origin": origin.url("/"), "image.error-ttl": 0},
        "/remembering": {"image.origin": origin.url("/"), "image.error-ttl": "60s"},
        "/files": {"image.origin": str(pictures.tests())},
        "/api": {"health.api": "ON"},
        "/metrics": {"health.prometheus": "ON"},
    }
    return sluice({**settings, "hosts": {"default": {"paths": paths}}})


def say(origin, cache_control, **script):
    origin.script(NAME, **{"file": "baseline.jpg", "headers": {"Cache-Control": cache_control}, **script})


def said(server, path=PATH, **options):
    return cache_status(server.get(path, **options))


def cached(server, path=PATH):
    """A look that leaves everything as it is."""
    return cache_status(server.get(path, {"Cache-Control": "only-if-cached"}))


def wait_until_expired(server, path=PATH):
    wait_for(lambda: cached(server, path) == {"detail": "not-cached"}, 10, "the picture expires")


# --- made


def test_made_and_found(server):
    assert said(server) == {"fwd": "uri-miss", "fwd-status": 200, "stored": True}
    hit = said(server)
    assert 3590 < hit.pop("ttl") <= 3600 and hit == {"hit": True}


def test_made_of_a_source_that_was_there(server):
    fetch(server, PATH)
    assert said(server, "/images/baseline.jpg?w=101") == {"fwd": "uri-miss", "stored": True}


def test_made_of_a_file(server):
    for width in (100, 101):
        assert said(server, f"/files/baseline.jpg?w={width}") == {"fwd": "uri-miss", "stored": True}


@pytest.mark.parametrize("words", ["no-store", "private"])
def test_made_and_not_stored(server, origin, words):
    say(origin, words)
    for _ in range(2):
        answer = fetch(server, PATH)
        assert cache_status(answer) == {"fwd": "uri-miss", "fwd-status": 200}
        assert answer.headers["Cache-Control"].startswith(words)


@pytest.mark.parametrize("http2", [False, True])
def test_made_by_another_request(server, origin, http2):
    origin.hold(NAME)
    first = Asked(server, PATH)
    origin.wait_for_request(NAME)
    second = Asked(server, PATH)
    wait_for(lambda: operations(server)["requests"] == 2, 10, "two wait")
    origin.release(NAME)
    made = {"fwd": "uri-miss", "fwd-status": 200, "stored": True}
    assert cache_status(first.answer()) == made
    assert cache_status(second.answer()) == {**made, "collapsed": True}
    assert "hit" in said(server, http2=http2)


# --- errors


def test_error_and_its_memory(server, origin):
    assert said(server, "/images/nothing.jpg") == {"fwd": "uri-miss", "fwd-status": 404, "detail": "not-found"}
    assert said(server, "/images/nothing.jpg") == {"hit": True, "detail": "not-found"}
    assert origin.count("/nothing.jpg") == 1


@pytest.mark.parametrize("status", [500, 502, 503, 599, 401, 403])
def test_error_status_of_the_origin(server, origin, status):
    origin.script(NAME, status=status)
    code = "origin-failed" if status >= 500 else "origin-status"
    assert said(server) == {"fwd": "uri-miss", "fwd-status": status, "detail": code}


def test_origin_that_does_not_answer(server, origin):
    origin.script(NAME, refuse=True)
    assert said(server) == {"fwd": "uri-miss", "detail": "origin-broken"}


def test_answer_that_is_no_picture(server, origin):
    origin.script(NAME, body=b"This is no picture.")
    assert said(server) == {"fwd": "uri-miss", "fwd-status": 200, "detail": "not-an-image"}
    assert said(server) == {"hit": True, "detail": "not-an-image"}


def test_only_if_cached(server, origin):
    answer = server.get(PATH, {"Cache-Control": "max-stale, only-if-cached"})
    assert (answer.status, answer.json()["code"], cache_status(answer)) == (504, "not-cached", {"detail": "not-cached"})
    assert origin.count() == 0
    fetch(server, PATH)
    assert server.get(PATH, {"Cache-Control": "only-if-cached"}).status == 200


@pytest.mark.parametrize("words", ["no-cache", "no-store", "max-age=0", "min-fresh=99999", "only-if-cachedx"])
def test_clients_cannot_force_work(server, origin, words):
    fetch(server, PATH)
    answer = server.get(PATH, {"Cache-Control": words, "Pragma": "no-cache"})
    assert (answer.status, cache_status(answer)["hit"], origin.count()) == (200, True, 1)


def test_what_is_refused_says_nothing(server):
    for path, method in (("/images/baseline.jpg?nonsense=1", "GET"), ("/images//", "GET"), (PATH, "POST")):
        assert server.get(path, method=method).headers["Cache-Status"] is None


# --- expired


def test_expired_and_made_anew(server, origin):
    say(origin, SHORT)
    fetch(server, PATH)
    wait_until_expired(server)
    say(origin, "max-age=60", file="progressive.jpg")
    assert said(server) == {"fwd": "stale", "fwd-status": 200, "stored": True}
    assert 50 < said(server)["ttl"] <= 60 and origin.count() == 2


def test_expired_and_unchanged(server, origin):
    say(origin, SHORT, etag='"1"')
    first = fetch(server, PATH)
    wait_until_expired(server)
    say(origin, "max-age=60", etag='"1"')
    answer = fetch(server, PATH)
    assert cache_status(answer) == {"fwd": "stale", "fwd-status": 304}
    assert (answer.body, answer.headers["ETag"], answer.headers["Age"]) == (first.body, first.headers["ETag"], "0")
    assert "max-age=60" in answer.headers["Cache-Control"] and answer.headers["Server-Timing"] is None
    assert 50 < said(server)["ttl"] <= 60
    assert metrics(server)["sluice_transforms_total"] == 1


def test_served_while_it_is_renewed(server, origin):
    say(origin, "max-age=1, stale-while-revalidate=60", etag='"1"')
    first = fetch(server, PATH)
    wait_until_expired(server)
    say(origin, "max-age=60", etag='"1"')
    origin.hold(NAME)
    for _ in range(3):
        answer = fetch(server, PATH)
        status = cache_status(answer)
        assert -10 < status.pop("ttl") < 0 and status == {"hit": True, "detail": "revalidating"}
        assert answer.body == first.body and int(answer.headers["Age"]) >= 1 and answer.headers["Server-Timing"] is None
    origin.wait_for_request(NAME, 2)
    origin.release(NAME)
    renewed = wait_for(lambda: cached(server) if "ttl" in cached(server) else None, 10, "the renewal lands")
    assert 50 < renewed["ttl"] <= 60 and origin.count() == 2
    assert server.get(PATH, {"If-None-Match": first.headers["ETag"]}).status == 304


def test_changed_while_it_is_renewed(server, origin):
    say(origin, "max-age=1, stale-while-revalidate=60", etag='"1"')
    first = fetch(server, PATH)
    wait_until_expired(server)
    say(origin, "max-age=60", file="progressive.jpg", etag='"2"')
    assert fetch(server, PATH).body == first.body
    wait_for(lambda: "ttl" in cached(server), 10, "the renewal lands")
    assert fetch(server, PATH).headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("conditional", [False, True])
def test_stale_answers_are_answers_like_others(server, origin, conditional):
    say(origin, "max-age=1, stale-while-revalidate=60")
    first = fetch(server, PATH)
    wait_until_expired(server)
    origin.hold(NAME)
    headers = {"If-None-Match": first.headers["ETag"]} if conditional else {"Range": "bytes=5-9"}
    answer = server.get(PATH, headers)
    assert (answer.status, answer.body) == ((304, b"") if conditional else (206, first.body[5:10]))
    assert cache_status(answer)["detail"] == "revalidating"


# --- in place of an error


FAILURES = {
    "server error": (dict(status=503), {"fwd-status": 503, "detail": "origin-failed"}),
    "hung up": (dict(refuse=True), {"detail": "origin-broken"}),
    "cut off": (dict(file="baseline.jpg", stop_after=100, then="close"), {"fwd-status": 200, "detail": "origin-broken"}),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_served_in_place_of_an_error(server, origin, failure):
    script, status = FAILURES[failure]
    say(origin, "max-age=1, stale-if-error=60")
    first = fetch(server, PATH)
    wait_until_expired(server)
    origin.script(NAME, **script)
    for _ in range(2):
        answer = fetch(server, PATH)
        assert cache_status(answer) == {"fwd": "stale", **status}
        assert (answer.body, answer.headers["ETag"]) == (first.body, first.headers["ETag"])
        assert answer.headers["Warning"] is None and answer.headers["Server-Timing"] is None
    say(origin, "max-age=60")
    assert said(server)["fwd-status"] == 200


def test_served_in_place_of_an_error_that_is_remembered(server, origin):
    path = "/remembering/baseline.jpg?w=100"
    say(origin, "max-age=1, stale-if-error=60")
    fetch(server, path)
    wait_until_expired(server, path)
    origin.script(NAME, status=500)
    assert said(server, path) == {"fwd": "stale", "fwd-status": 500, "detail": "origin-failed"}
    again = said(server, path)
    assert again.pop("ttl") < 0 and again == {"hit": True, "detail": "origin-failed"}
    assert origin.count() == 2


def test_all_who_wait_get_what_there_is(server, origin):
    say(origin, "max-age=1, stale-if-error=60")
    first = fetch(server, PATH)
    wait_until_expired(server)
    origin.script(NAME, status=503)
    origin.hold(NAME)
    asked = [Asked(server, PATH) for _ in range(20)]
    wait_for(lambda: operations(server)["requests"] == 20, 10, "all wait")
    origin.release(NAME)
    answers = [one.answer() for one in asked]
    assert {(answer.status, answer.body) for answer in answers} == {(200, first.body)}
    assert sum("collapsed" in cache_status(answer) for answer in answers) == 19


def test_not_after_its_time(server, origin):
    say(origin, "max-age=1, stale-if-error=1")
    fetch(server, PATH)
    wait_until_expired(server)
    origin.script(NAME, status=503)
    answer = wait_for(lambda: failed(server), 10, "stale-if-error is over")
    assert cache_status(answer) == {"fwd": "stale", "fwd-status": 503, "detail": "origin-failed"}


def failed(server):
    answer = server.get(PATH)
    return answer if answer.status == 502 else None


@pytest.mark.parametrize("words", ["stale-if-error=0", "stale-if-error=60, must-revalidate", "stale-if-error=60, no-cache"])
def test_not_if_the_origin_forbids_it(server, origin, words):
    say(origin, f"max-age=1, {words}")
    fetch(server, PATH)
    wait_until_expired(server)
    origin.script(NAME, status=503)
    assert server.get(PATH).status == 502


@pytest.mark.parametrize("status, answered", [(404, 404), (410, 404), (403, 502)])
def test_not_if_the_picture_is_gone(server, origin, status, answered):
    say(origin, "max-age=1, stale-if-error=60")
    fetch(server, PATH)
    wait_until_expired(server)
    origin.script(NAME, status=status)
    answer = server.get(PATH)
    assert answer.status == answered and cache_status(answer)["fwd-status"] == status


# --- fields that go with it


def test_age_counts_from_the_origin(server, origin):
    say(origin, "max-age=60", headers={"Cache-Control": "max-age=60", "Age": "20"})
    made, hit = fetch(server, PATH), fetch(server, PATH)
    assert [int(answer.headers["Age"]) in (20, 21) for answer in (made, hit)] == [True, True]
    assert 37 <= cache_status(hit)["ttl"] <= 40 and "max-age=60" in hit.headers["Cache-Control"]


@pytest.mark.parametrize(
    "words, passed_on",
    [
        ("max-age=60", "public, max-age=60"),
        ("public, max-age=60", "public, max-age=60"),
        ("max-age=60, must-revalidate", "max-age=60, must-revalidate"),
        ("max-age=60, immutable", "max-age=60, immutable"),
        ("private, max-age=60", "private, max-age=60"),
        ("no-store", "no-store"),
    ],
)
def test_directives_are_passed_on(server, origin, words, passed_on):
    say(origin, words)
    for _ in range(2):
        assert fetch(server, PATH).headers["Cache-Control"] == passed_on


def test_server_timing(server):
    made, hit = fetch(server, PATH), fetch(server, PATH)
    entries = parse_list(made.headers["Server-Timing"])
    assert [name for name, _ in entries] == ["queue", "fetch", "decode", "transform", "encode"]
    assert all(re.fullmatch(r"\d+(\.\d)?", str(entry["dur"])) for _, entry in entries)
    assert hit.headers["Server-Timing"] is None


def durations(answer):
    return {str(name): entry["dur"] for name, entry in parse_list(answer.headers["Server-Timing"])}


@pytest.mark.parametrize("way", ["images", "files"])
def test_server_timing_is_of_this_work(server, origin, way):
    """The fetch is told by whoever waited for it, and the picture is decoded for each."""
    origin.script(NAME, file="baseline.jpg", delay_s=0.2)
    first, second = [durations(fetch(server, f"/{way}/baseline.jpg?w={width}")) for width in (1500, 1501)]
    assert first["fetch"] >= (200 if way == "images" else 0) and second["fetch"] == 0
    assert second["decode"] > 0 and second["encode"] > 0

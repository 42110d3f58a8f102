"""image.request-timeout: a request waits no longer than its own deadline, whatever becomes of the work it waits for."""

import random
import threading

import pytest

from clients import Asked, Http2, assert_settles, metrics, operations
from harness import wait_for
from pictures import fetch
from problems import assert_error
from structured import cache_status

NAME = "/baseline.jpg"
SHORT, LONG = "/short/baseline.jpg?w=100", "/long/baseline.jpg?w=100"  # of one origin, and so one picture


@pytest.fixture(params=[2])
def server(sluice, origin, request):
    """Deadlines of 600 ms and a minute for the same pictures; the origin may take its time."""
    common = {"image.origin": origin.url("/"), "image.error-ttl": 0, "image.negative-ttl": 0}
    paths = {
        "/short": {**common, "image.request-timeout": "600ms"},
        "/long": {**common, "image.request-timeout": "1m"},
        "/api": {"health.api": "ON"},
        "/metrics": {"health.prometheus": "ON"},
    }
    server = sluice({"image.origin-timeout": "5m", "hosts": {"default": {"paths": paths}}}, threads=request.param)
    yield server
    assert_settles(server)
    assert fetch(server, "/long/rgb.png?w=9").status == 200


def wait_until_parked(server, count):
    wait_for(lambda: operations(server)["requests"] == count, 10, f"{count} requests are waiting")


def responses(server):
    values = metrics(server)
    return {n: values[f'sluice_request_responses_total{{class="{n}"}}'] for n in ("none", "2xx", "5xx")}


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_time_is_up(origin, server, http2, method):
    origin.hold(NAME)
    answer = server.get(SHORT, http2=http2, method=method)
    if method == "GET":
        assert "image.request-timeout" in assert_error(answer, "request-timeout")
    assert answer.status == 504 and cache_status(answer) == {"fwd": "uri-miss", "detail": "request-timeout"}
    # nobody waits any more, so the work is given up
    origin.wait_for_abort(NAME)
    assert_settles(server)
    origin.release(NAME)
    assert fetch(server, SHORT).status == 200


def test_kept_connection_goes_on(origin, server):
    origin.hold(NAME)
    connection = server.connection()
    for _ in range(2):
        connection.request("GET", SHORT)
        answer = connection.getresponse()
        assert (answer.status, b"request-timeout" in answer.read()) == (504, True)
    origin.release(NAME)
    connection.request("GET", SHORT)
    answer = connection.getresponse()
    assert (answer.status, len(answer.read()) > 1000) == (200, True)
    connection.close()


@pytest.mark.parametrize("server", [1, 2], indirect=True, ids=["one loop", "two loops"])
@pytest.mark.parametrize("leader", [SHORT, LONG])
def test_each_has_a_deadline_of_its_own(origin, server, leader):
    origin.hold(NAME)
    follower = LONG if leader is SHORT else SHORT
    asked = {leader: Asked(server, leader)}
    origin.wait_for_request(NAME)
    asked[follower] = Asked(server, follower)
    assert_error(asked[SHORT].answer(), "request-timeout", collapsed=leader is LONG)
    wait_until_parked(server, 1)
    origin.release(NAME)
    answer = asked[LONG].answer()
    assert answer.status == 200 and ("collapsed" in cache_status(answer)) == (leader is SHORT)
    assert origin.count() == 1


def test_many_deadlines_and_one_who_stays(origin, server):
    origin.hold(NAME)
    patient = Asked(server, LONG)
    origin.wait_for_request(NAME)
    hasty = [Asked(server, SHORT) for _ in range(100)]
    for one in hasty:
        assert_error(one.answer(), "request-timeout", collapsed=True)
    wait_until_parked(server, 1)
    origin.release(NAME)
    assert patient.answer().status == 200
    assert origin.count() == 1


def deadlines_pass(server, origin):
    """Whoever was parked below /short before this has had its deadline when this returns: a later one has."""
    origin.hold("/rgb.png")
    assert server.get("/short/rgb.png?w=10").status == 504
    origin.release("/rgb.png")


def test_deadline_after_the_answer_is_none(origin, server):
    """The answer is out but not read to its end when the deadline comes: nothing happens."""
    path = "/short/baseline.jpg?w=2000&output=png"
    fetch(server, "/long/baseline.jpg?w=9")  # so that the rest is quick
    whole = fetch(server, "/long/baseline.jpg?w=2000&output=png").body
    with Http2(server, window=5000) as client:
        stream = client.ask(f"{path}&q=1")
        client.wait_for_bytes(stream, 5000)
        before = responses(server)
        deadlines_pass(server, origin)
        after = responses(server)
        assert after["5xx"] - before["5xx"] == 1 and after["none"] == before["none"]
        assert client.answers[stream].status == 200 and client.answers[stream].body == whole[:5000]
        assert stream not in client.ended
        # the connection still works
        assert client.answer(client.ask("/short/baseline.jpg?w=9", "HEAD")).status == 200


@pytest.mark.parametrize("http2", [False, True])
def test_client_leaves_before_its_deadline(origin, server, http2):
    origin.hold(NAME)
    before = responses(server)
    if http2:
        with Http2(server) as client:
            client.ask(SHORT)
            wait_until_parked(server, 1)
            client.reset(client.last)
            wait_until_parked(server, 0)
    else:
        asked = Asked(server, SHORT)
        wait_until_parked(server, 1)
        asked.hang_up()
        wait_until_parked(server, 0)
    deadlines_pass(server, origin)
    after = responses(server)
    assert (after["5xx"] - before["5xx"], after["none"] - before["none"]) == (1, 1)  # the first is that of deadlines_pass()


def test_deadline_answer_and_hang_up_race(origin, server):
    """All three come at about the same time, on two loops; each client that stays gets exactly one answer."""
    seen, random_source = set(), random.Random(7)
    for n in range(6):
        name = f"/exif-{n + 1}.jpg"
        origin.hold(name)
        asked = [Asked(server, f"/short{name}?w=50") for _ in range(60)]
        origin.wait_for_request(name)
        leave = random_source.sample(asked, 15)
        timers = [threading.Timer(0.55 + n * 0.015 + random_source.random() / 20, one.hang_up) for one in leave]
        timers.append(threading.Timer(0.55 + n * 0.015, origin.release, [name]))
        for timer in timers:
            timer.start()
        for one in asked:
            if one not in leave:
                answer = one.answer()
                assert answer.status in (200, 504)
                assert answer.headers.get_all("Content-Length") == [str(len(answer.body))]
                seen.add(answer.status)
        for timer in timers:
            timer.join()
        assert_settles(server)
    assert seen == {200, 504}


def test_picture_of_before_in_place_of_a_deadline(origin, server):
    origin.script(NAME, file="baseline.jpg", headers={"Cache-Control": "max-age=1, stale-if-error=60"})
    first = fetch(server, SHORT)
    wait_for(lambda: server.get(SHORT, {"Cache-Control": "only-if-cached"}).status == 504, 10, "the picture expires")
    origin.hold(NAME)
    answer = fetch(server, SHORT)
    assert cache_status(answer) == {"fwd": "stale", "detail": "request-timeout"}
    assert answer.body == first.body
    origin.release(NAME)
    assert cache_status(fetch(server, SHORT)) == {"fwd": "stale", "fwd-status": 200, "stored": True}


def test_renewal_in_the_background_has_no_deadline(origin, server):
    origin.script(NAME, file="baseline.jpg", headers={"Cache-Control": "max-age=1, stale-while-revalidate=60"})
    fetch(server, SHORT)
    wait_for(lambda: server.get(SHORT, {"Cache-Control": "only-if-cached"}).status == 504, 10, "the picture expires")
    origin.script(NAME, file="baseline.jpg", headers={"Cache-Control": "max-age=60"})
    origin.hold(NAME)
    assert cache_status(fetch(server, SHORT))["detail"] == "revalidating"
    origin.wait_for_request(NAME, 2)
    deadlines_pass(server, origin)
    origin.release(NAME)
    wait_for(lambda: cache_status(fetch(server, SHORT)).get("ttl", -1) > 0, 10, "the renewal lands")
    assert origin.count(NAME) == 2


def test_setting_is_of_the_path(sluice, origin):
    check = sluice({"hosts": {"default": {"paths": {"/": {"image.request-timeout": "10ms"}}}}}, start=False).check()
    assert check.returncode != 0 and "image.request-timeout" in check.stderr and "100ms" in check.stderr

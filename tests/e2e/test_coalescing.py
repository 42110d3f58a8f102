"""Many clients that want one picture at the same time: one download, one transform, and an answer for everybody who stays."""

import concurrent.futures
import contextlib

import pytest

import pictures
from clients import Asked, Http2, assert_settles, metrics, operations
from harness import run, wait_for
from origin import Origin

SIZES = [100 + 10 * n for n in range(10)]


@pytest.fixture
def server(sluice, origin):
    return start(sluice, origin)


def start(sluice, *origins, paths=None, **settings):
    """A server that serves each origin below /images, /images1, ..."""
    paths = dict(paths or {}) | {f"/images{n or ''}": {"image.origin": origin.url("/")} for n, origin in enumerate(origins)}
    paths.update({"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}})
    # no time limit may do what is expected of the clients' coming and going
    limits = {"max-connections": 2048, "pressure.budget": "2GiB", "image-cache.capacity": "256MiB", "image.origin-timeout": "5m"}
    limits["image.queue-timeout"] = "5m"
    return sluice({**limits, **settings, "hosts": {"default": {"paths": paths}}})


def wait_until_parked(server, count):
    wait_for(lambda: operations(server)["requests"] == count, 30, f"{count} requests are waiting")


def work_done(server):
    """origin fetches, renditions made (see test_shared_decoding.py), coalesced lookups"""
    values = metrics(server)
    fetches, alone, shared, coalesced = (
        values[f"sluice_{name}_total"] for name in ("origin_fetches", "transforms", "transform_shared", "image_cache_coalesced")
    )
    return fetches, alone + shared, coalesced


def is_collapsed(answer):
    return "collapsed" in answer.headers["cache-status"]


def body_of(answers):
    """The body that all of these answers have, each of them a success."""
    assert {answer.status for answer in answers} == {200}
    bodies = {answer.body for answer in answers}
    assert len(bodies) == 1
    return bodies.pop()


# --- one piece of work for many


def test_a_thousand_requests_for_one_cold_picture(sluice, origin, server):
    origin.hold("/baseline.jpg")
    asked = [Asked(server, "/images/baseline.jpg?w=200") for _ in range(1000)]
    wait_until_parked(server, 1000)
    origin.release("/baseline.jpg")
    answers = [one.answer() for one in asked]
    assert pictures.header(body_of(answers)).width == 200
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert origin.count() == 1
    assert work_done(server) == (1, 1, 999)
    assert sum(map(is_collapsed, answers)) == 999
    assert_settles(server)


def test_cold_pictures_asked_by_racing_threads(sluice, origin, server):
    """Nothing is held here: requests arrive before, while and after the work is being done."""
    names = [f"exif-{n}.jpg" for n in range(1, 9)]

    def ask_all(_):
        with contextlib.closing(server.connection()) as connection:
            return [read(connection, f"/images/{name}?w={width}") for name in names for width in (50, 60)]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        rounds = list(pool.map(ask_all, range(32)))
    for answers in zip(*rounds):
        body_of(answers)
    assert [origin.count(f"/{name}") for name in names] == [1] * len(names)
    assert work_done(server)[:2] == (len(names), 2 * len(names))
    assert_settles(server)


def read(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.body = answer.read()
    return answer


def test_ten_sizes_of_one_cold_picture_are_one_download(origin, server):
    origin.hold("/baseline.jpg")
    asked = [Asked(server, f"/images/baseline.jpg?w={width}") for width in SIZES]
    wait_until_parked(server, len(SIZES))
    origin.release("/baseline.jpg")
    answers = [one.answer() for one in asked]
    assert [pictures.header(answer.body).width for answer in answers] == SIZES
    assert origin.count() == 1
    assert work_done(server)[:2] == (1, len(SIZES))
    assert not any(map(is_collapsed, answers))
    assert_settles(server)


@pytest.mark.parametrize("first", ["HEAD", "GET"])
def test_head_and_get_share_the_work(origin, server, first):
    origin.hold("/baseline.jpg")
    asked = [Asked(server, "/images/baseline.jpg?w=200", method) for method in [first] + ["HEAD", "GET"] * 5]
    wait_until_parked(server, len(asked))
    origin.release("/baseline.jpg")
    answers = [one.answer() for one in asked]
    heads = [answer for answer in answers if not answer.body]
    body = body_of([answer for answer in answers if answer.body])
    assert len(heads) == 5 + (first == "HEAD")
    assert {(head.status, head.headers["content-length"]) for head in heads} == {(200, str(len(body)))}
    assert [request.method for request in origin.seen()] == ["GET"]
    assert work_done(server)[:2] == (1, 1)


def test_waiters_get_what_cannot_be_stored(sluice, origin):
    server = start(sluice, origin, **{"image.ttl": "0s"})
    origin.hold("/baseline.jpg")
    asked = [Asked(server, "/images/baseline.jpg?w=200") for _ in range(50)]
    wait_until_parked(server, 50)
    origin.release("/baseline.jpg")
    body_of([one.answer() for one in asked])
    assert (origin.count(), work_done(server)[1]) == (1, 1)
    assert server.get("/images/baseline.jpg?w=200").status == 200
    assert origin.count() == 2  # nothing was stored
    assert_settles(server)


# --- clients that hang up


@pytest.mark.parametrize("reset", [False, True])
def test_leader_hangs_up_and_the_others_get_it(origin, server, reset):
    origin.hold("/baseline.jpg")
    leader = Asked(server, "/images/baseline.jpg?w=200")
    origin.wait_for_request("/baseline.jpg")
    others = [Asked(server, "/images/baseline.jpg?w=200") for _ in range(20)]
    wait_until_parked(server, 21)
    leader.hang_up(reset)
    wait_until_parked(server, 20)
    origin.release("/baseline.jpg")
    body_of([one.answer() for one in others])
    assert origin.count() == 1 and not origin.seen()[0].aborted
    assert_settles(server)


def stall_before_the_answer(origin):
    origin.hold("/baseline.jpg")


def stall_in_the_body(origin):
    origin.script("/baseline.jpg", file="baseline.jpg", stop_after=1000)


@pytest.mark.parametrize("stall", [stall_before_the_answer, stall_in_the_body])
@pytest.mark.parametrize("http2", [False, True])
def test_all_hang_up_and_the_fetch_is_cancelled(origin, server, stall, http2):
    stall(origin)
    if http2:
        connection = Http2(server)
        streams = [connection.ask("/images/baseline.jpg?w=200") for _ in range(20)]
        leave = [lambda stream=stream: connection.reset(stream) for stream in streams]
    else:
        leave = [Asked(server, "/images/baseline.jpg?w=200").hang_up for _ in range(20)]
    wait_until_parked(server, 20)
    origin.wait_for_request("/baseline.jpg")
    for one in leave[1:]:
        one()
    wait_until_parked(server, 1)
    assert not origin.seen()[0].aborted
    leave[0]()
    origin.wait_for_abort("/baseline.jpg")
    assert_settles(server)
    assert not origin.seen()[0].finished
    # nothing of it is remembered: who comes now gets the picture
    origin.unscript("/baseline.jpg")
    origin.release("/baseline.jpg")
    assert server.get("/images/baseline.jpg?w=200").status == 200
    assert origin.count() == 2


def test_some_sizes_are_given_up_and_the_download_goes_on(origin, server):
    origin.hold("/baseline.jpg")
    asked = [Asked(server, f"/images/baseline.jpg?w={width}") for width in SIZES]
    wait_until_parked(server, len(SIZES))
    for one in asked[:-1]:
        one.hang_up()
    wait_until_parked(server, 1)
    origin.release("/baseline.jpg")
    assert pictures.header(asked[-1].answer().body).width == SIZES[-1]
    assert work_done(server)[:2] == (1, 1)
    assert_settles(server)


def test_download_that_waits_for_a_slot_is_given_up(sluice, origin):
    server = start(sluice, origin, **{"image.max-fetches": 1})
    origin.hold("/baseline.jpg")
    first = Asked(server, "/images/baseline.jpg?w=200")
    origin.wait_for_request("/baseline.jpg")
    second = Asked(server, "/images/progressive.jpg?w=200")
    wait_until_parked(server, 2)
    second.hang_up()
    wait_until_parked(server, 1)
    origin.release("/baseline.jpg")
    assert first.answer().status == 200
    assert_settles(server)
    assert origin.count("/progressive.jpg") == 0


def test_one_client_leaves_while_the_next_one_comes(sluice, origin):
    """At about the same moment, many times, with nothing stored: whoever stays gets the picture."""
    server = start(sluice, origin, **{"image.ttl": "0s"})
    for _ in range(50):
        origin.hold("/baseline.jpg")
        leaver = Asked(server, "/images/baseline.jpg?w=200")
        wait_until_parked(server, 1)
        leaver.hang_up()
        stayer = Asked(server, "/images/baseline.jpg?w=200")
        origin.release("/baseline.jpg")
        assert stayer.answer().status == 200
    assert_settles(server)


# --- origins that fail or are slow

FAILURES = {
    "no such file": (dict(status=404), 404, "not-found"),
    "server error": (dict(status=500), 502, "origin-failed"),
    "broken off": (dict(refuse=True), 502, "origin-broken"),
    "reset": (dict(refuse=True, reset=True), 502, "origin-broken"),
    "too short": (dict(file="baseline.jpg", stop_after=1000, then="close"), 502, "origin-broken"),
    "not a picture": (dict(file="text.jpg"), 422, "not-an-image"),
    "damaged": (dict(file="truncated.jpg"), 422, "broken-image"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_all_waiters_get_the_same_error(origin, server, failure):
    script, status, code = FAILURES[failure]
    origin.script("/x.jpg", **script)
    origin.hold("/x.jpg")
    asked = [Asked(server, "/images/x.jpg?w=200") for _ in range(30)]
    wait_until_parked(server, 30)
    origin.release("/x.jpg")
    answers = [one.answer() for one in asked]
    assert {answer.status for answer in answers} == {status}
    assert {answer.json()["code"] for answer in answers} == {code}
    assert origin.count() == 1
    assert_settles(server)


def test_slow_origin_holds_up_nobody_else(sluice, origin):
    with Origin(pictures.tests()) as other:
        server = start(sluice, origin, other)
        hit = server.get("/images/baseline.jpg?w=200")
        for n in range(100):  # more than there are slots for downloads
            origin.script(f"/slow-{n}.jpg", file="baseline.jpg")
            origin.hold(f"/slow-{n}.jpg")
        slow = [Asked(server, f"/images/slow-{n}.jpg?w=200") for n in range(100)]
        wait_until_parked(server, 100)
        again = server.get("/images/baseline.jpg?w=200")
        assert "hit" in again.headers["cache-status"] and again.body == hit.body
        assert server.get("/images1/rgb.png?w=100").status == 200
        assert operations(server)["requests"] == 100
        for n in range(100):
            origin.release(f"/slow-{n}.jpg")
        body_of([one.answer() for one in slow])
        assert_settles(server)


# --- HTTP/2


def test_streams_of_one_connection_share_and_are_reset(origin, server):
    origin.hold("/baseline.jpg")
    with Http2(server) as connection:
        streams = [connection.ask("/images/baseline.jpg?w=200") for _ in range(100)]
        wait_until_parked(server, 100)
        for stream in streams[::2]:
            connection.reset(stream)
        wait_until_parked(server, 50)
        origin.release("/baseline.jpg")
        body = body_of([connection.answer(stream) for stream in streams[1::2]])
        assert work_done(server)[:2] == (1, 1)
        assert connection.answer(connection.ask("/images/baseline.jpg?w=200")).body == body
    assert_settles(server)


def test_connection_closes_under_parked_streams(origin, server):
    origin.hold("/baseline.jpg")
    with Http2(server) as connection:
        for width in SIZES:
            connection.ask(f"/images/baseline.jpg?w={width}")
        wait_until_parked(server, len(SIZES))
    origin.wait_for_abort("/baseline.jpg")
    assert_settles(server)


def test_streams_are_reset_in_the_middle_of_bodies(origin, server):
    path = "/images/photo.tif?w=2000&output=png"
    size = len(server.get(path).body)
    assert size > 1 << 19
    with Http2(server, window=65536) as connection:
        streams = [connection.ask(path) for _ in range(20)]
        for stream in streams:
            connection.wait_for_bytes(stream, 65536)
        for stream in streams[1:]:
            connection.reset(stream)
        assert connection.answer(connection.ask("/api/health")).status == 200
    assert_settles(server)


def test_a_thousand_streams_for_one_cold_picture(origin, server):
    origin.script("/baseline.jpg", file="baseline.jpg", delay_s=0.2)
    done = run(["h2load", "-n", 1000, "-c", 10, "-m", 100, server.url("/images/baseline.jpg?w=200")])
    assert "1000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
    assert origin.count() == 1
    assert work_done(server)[:2] == (1, 1)
    assert_settles(server)


def test_both_protocols_share_the_work(origin, server):
    origin.hold("/baseline.jpg")
    connections = [Http2(server) for _ in range(4)]
    streams = [(connection, connection.ask("/images/baseline.jpg?w=200")) for connection in connections for _ in range(25)]
    asked = [Asked(server, "/images/baseline.jpg?w=200") for _ in range(100)]
    wait_until_parked(server, 200)
    origin.release("/baseline.jpg")
    answers = [connection.answer(stream) for connection, stream in streams] + [one.answer() for one in asked]
    body_of(answers)
    assert work_done(server) == (1, 1, 199)
    for connection in connections:
        connection.close()
    assert_settles(server)


def test_no_answer_is_left_lying(sluice):
    """Small bursts, each of which has to end before the next one begins: a loop that is not woken for a result has no other
    occasion to find it."""
    server = start(sluice, **{"image.negative-ttl": "0s"}, paths={"/images": {"image.origin": str(pictures.tests())}})
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(server.connection(20))) for _ in range(6)]
        for burst in range(1500):
            for number, connection in enumerate(connections):
                connection.request("GET", f"/images/missing-{burst}-{number % 3}.jpg?w={number % 2 + 1}")
            for connection in connections:
                answer = connection.getresponse()
                assert answer.status == 404 and answer.read()
    assert_settles(server)

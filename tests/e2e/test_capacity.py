"""Transforms that wait: for memory, for a worker, for a slot of their path or host. Who goes first, who is turned away and with what
advice, and that whatever ends early gives back everything.

SLOW is a transform that runs for as long as anybody waits for it, or nearly: its client hangs up when a test is done with it.
"""

import contextlib
import json
import threading

import pytest

import pictures
from clients import Asked, assert_settles, metrics
from harness import wait_for
from problems import COMMON_SETTINGS, SLACK, assert_error

SLOW = "slow-{}.jpg?w=8192&h={}&fit=fill&output={}"
TOKEN = "a-token-of-the-tests-0123456789"


def slow(number, output="webp"):
    """A different one for each number, 1 to 20, of a source of its own. A GiB as WebP, half of that as PNG."""
    return SLOW.format(number, 8192 - number, output)


@pytest.fixture
def start(sluice, origin):
    """start(paths, **settings): each path serves the pictures of the origin, with further directives of its own."""
    running = []

    def start_server(paths, host=None, **settings):
        for number in range(1, 21):  # renditions of one picture would wait as one
            origin.script(f"/slow-{number}.jpg", file="baseline.jpg")
            origin.script(f"/rgb-{number}.png", file="rgb.png")
        paths = {f"/{name}": {"image.origin": origin.url("/"), **more} for name, more in paths.items()}
        paths |= {"/files": {"image.origin": str(pictures.tests())}}
        paths |= {"/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        limits = {"pressure.budget": "4GiB", "image.queue-timeout": "1m", "image.transform-timeout": "5m"}
        server = sluice({**COMMON_SETTINGS, **limits, **settings, "hosts": {"default": {**(host or {}), "paths": paths}}})
        running.append(server)
        return server

    yield start_server
    for server in running:
        if server.process:
            assert_settles(server)
            assert metrics(server)["sluice_pressure_healed_slots_total"] == 0
            assert server.get("/files/rgb.png?w=3").status == 200


@contextlib.contextmanager
def at_work(server, *paths):
    """Slow transforms that run; when the block is left, their clients hang up."""
    # one that has been answered may count for a moment longer, and must not be taken for one of these
    wait_for(lambda: queue(server)["transforms"] == 0, 20, "nothing runs")
    asked = [Asked(server, path) for path in paths]
    wait_for(lambda: queue(server)["transforms"] >= len(paths), 20, "all of them run")
    yield asked
    for one in asked:
        one.hang_up()


def queue(server):
    health = server.get("/api/health").json()
    return {**health["queue"], "transforms": health["operations"]["transforms"]}


def routes(server):
    return {route["name"].removeprefix("default"): route for route in server.get("/api/health").json()["routes"]}


def wait_until_waiting(server, count):
    wait_for(lambda: queue(server)["waiting"] == count, 20, f"{count} operations wait")


def assert_turned_away(answer, code):
    """With a clean 503. Returns the detail."""
    assert (answer.status, answer.json()["code"]) == (503, code)
    assert 7 <= int(answer.headers["retry-after"]) <= 60
    return answer.json()["detail"]


# --- caps


def test_path_has_its_cap(start):
    server = start({"one": {"pressure.max-concurrent": 2}, "two": {}}, **{"image.workers": 4})
    with at_work(server, f"/one/{slow(1)}", f"/one/{slow(2)}"):
        with contextlib.closing(server.connection()):
            third = Asked(server, "/one/rgb.png?w=20")
            wait_until_waiting(server, 1)
            # who lacks a slot holds up nobody else
            for width in range(20, 25):
                assert server.get(f"/two/rgb.png?w={width}&h=9").status == 200
            here = routes(server)
            assert (here["/one"]["in_use"], here["/one"]["limit"], here["/one"]["waiting"]) == (2, 2, 1)
            assert (here["/two"]["limit"], here["/two"]["in_use"], here["/two"]["waiting"]) == (0, 0, 0)
            assert metrics(server)['sluice_route_slots_in_use{route="default/one"}'] == 2
    assert third.answer().status == 200


def test_paths_share_the_cap_of_their_host(start):
    paths = {"one": {}, "two": {}, "three": {"pressure.max-concurrent": 3}}
    server = start(paths, host={"pressure.max-concurrent": 2}, **{"image.workers": 4})
    with at_work(server, f"/one/{slow(1)}", f"/two/{slow(2)}"):
        third = Asked(server, "/three/rgb.png?w=20")
        wait_until_waiting(server, 1)
        here = routes(server)
        assert [here[name]["in_use"] for name in ("/one", "/two", "/three")] == [1, 1, 0]
        assert (here[""]["in_use"], here[""]["limit"]) == (2, 2)
    assert third.answer().status == 200


def test_no_slot_in_time(start):
    server = start({"one": {"pressure.max-concurrent": 1}}, **{"image.workers": 4, "image.queue-timeout": "300ms"})
    with at_work(server, f"/one/{slow(1)}"):
        refused = server.get("/one/rgb.png?w=20")
        assert_turned_away(refused, "no-room")
        assert server.get("/files/rgb.png?w=20").status == 200
        assert routes(server)["/one"]["refused"] == 1


# --- large and small


@pytest.mark.skipif(SLACK != 1, reason="the sanitizers' own memory is most of it")
def test_small_pictures_go_on_while_a_large_one_waits(start):
    server = start({"images": {}}, **{"image.workers": 4, "pressure.budget": "350MB"})
    with at_work(server, "/images/baseline.jpg?w=8000&output=png"):
        waits = Asked(server, "/images/progressive.jpg?w=7990&output=jpg")
        wait_until_waiting(server, 1)
        for width in range(20, 30):
            assert server.get(f"/images/rgb.png?w={width}").status == 200
        now = queue(server)
        assert now["waiting"] == 1 and now["overtakes"] == 10
    assert waits.answer().status == 200


@pytest.mark.skipif(SLACK != 1, reason="the sanitizers' own memory is most of it")
def test_a_large_picture_gets_its_turn(start):
    """Others that always fill most of the memory, each small enough to fit where it does not."""
    server = start({"images": {}}, **{"image.workers": 12, "pressure.budget": "350MB"})
    stop, faults, numbers = threading.Event(), [], iter(range(10**6))

    def ask_for_ever():
        while not stop.is_set():
            number = next(numbers)
            answer = server.get(f"/images/rgb.png?w={1400 + number % 600}&h={1000 + number // 600}&fit=fill&output=jpg", timeout=60)
            if answer.status != 200:
                faults.append(answer)

    crowd = [threading.Thread(target=ask_for_ever) for _ in range(16)]
    for one in crowd:
        one.start()
    try:
        wait_for(lambda: queue(server)["waiting"] > 0, 20, "the crowd fills the workers")
        assert server.get("/images/baseline.jpg?w=7500&output=jpg", timeout=60).status == 200
    finally:
        stop.set()
        for one in crowd:
            one.join()
    assert faults == []


def test_pictures_take_turns(start):
    """Renditions of one picture, in three groups of up to 16, were there first; another picture's comes after the first group."""
    server = start({"images": {}}, **{"image.workers": 1})
    done = []

    def note(name, asked):
        assert asked.answer().status == 200
        done.append(name)

    with at_work(server, f"/images/{slow(1)}"):
        asked = [("many", Asked(server, f"/images/progressive.jpg?w={width}&output=avif")) for width in range(400, 434)]
        wait_until_waiting(server, 3)
        asked.append(("one", Asked(server, "/images/rgb.png?w=20")))
        wait_until_waiting(server, 4)
        threads = [threading.Thread(target=note, args=one) for one in asked]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert done.index("one") <= 18


# --- turned away


@pytest.mark.parametrize("bound", [{"pressure.max-waiting": "1MiB"}, {"image.max-queue": 2}])
def test_queue_is_full(start, bound):
    server = start({"images": {}}, **{"image.workers": 1, **bound})
    with at_work(server, f"/images/{slow(1)}"):
        waits = [Asked(server, f"/images/rgb-{n}.png?w=20") for n in (1, 2)[: bound.get("image.max-queue", 1)]]
        wait_until_waiting(server, len(waits))
        refused = server.get("/images/rgba.png?w=20")
        detail = assert_turned_away(refused, "queue-full")
        assert "pressure.max-waiting" in detail and "image.max-queue" in detail
    assert [one.answer().status for one in waits] == [200] * len(waits)


def test_retry_after_follows_the_pace(start):
    """A worker that is at one picture for ages while gigabytes wait: that is not over in five seconds."""
    server = start({"images": {}}, **{"image.workers": 1, "image.max-queue": 6, "pressure.retry-after": "1s", "pressure.max-retry-after": "20s"})
    assert server.get("/images/rgb.png?w=20").status == 200  # from here on there is a pace
    with at_work(server, f"/images/{slow(1)}"):
        waits = [Asked(server, f"/images/{slow(number)}") for number in range(2, 8)]
        wait_for(lambda: queue(server)["waiting"] >= 5, 20, "the queue is full")
        after = wait_for(lambda: int(server.get("/images/rgb.png?w=21").headers["retry-after"]) > 10, 60, "it takes long")
        assert after
        for one in waits:
            one.hang_up()


def test_clients_that_leave_free_their_places_at_once(start):
    server = start({"images": {}}, **{"image.workers": 1})
    with at_work(server, f"/images/{slow(1)}"):
        waits = [Asked(server, f"/images/rgb-{number}.png?w=20") for number in range(1, 11)]
        stays = Asked(server, "/images/rgba.png?w=20")
        wait_until_waiting(server, 11)
        for one in waits:
            one.hang_up()
        wait_until_waiting(server, 1)
        now = queue(server)
        assert now["cancelled"] == 10 and now["transforms"] == 1
    assert stays.answer().status == 200


def test_server_stops_while_others_wait(start):
    server = start({"images": {}}, **{"image.workers": 1})
    with at_work(server, f"/images/{slow(1)}"):
        waits = [Asked(server, f"/images/rgb-{number}.png?w=20") for number in range(1, 6)]
        wait_until_waiting(server, 5)
        for one in waits:
            one.hang_up(reset=True)
    assert server.stop()


# --- whatever ends early gives back everything


def test_every_way_out_gives_back_everything(start, origin):
    server = start({"images": {"pressure.max-concurrent": 2}}, **{"image.workers": 2, "pressure.budget": "300MB", "image.queue-timeout": "10s"})
    origin.script("/short.jpg", file="baseline.jpg", stop_after=40000, then="close")
    origin.script("/stalls.jpg", file="baseline.jpg", stop_after=40000)
    ways = {
        "/images/missing.jpg?w=20": "not-found",
        "/images/short.jpg?w=20": "origin-broken",
        "/images/text.jpg?w=20": "not-an-image",
        "/images/truncated.jpg?w=20": "broken-image",  # while it is being transformed
        "/images/truncated.png?w=20": "broken-image",
        "/images/bomb.png?w=20": "too-many-pixels",
        "/images/baseline.jpg?w=8000&output=avif": "never-fits",
        "/images/rgb.png?w=20": None,
    }
    for _ in range(3):
        for path, code in ways.items():
            answer = server.get(path)
            assert answer.status == 200 if code is None else assert_error(answer, code), path
    leaves = Asked(server, "/images/stalls.jpg?w=20")
    wait_for(lambda: metrics(server)["sluice_pressure_source_ahead_bytes"] > 0, 10, "a part of the source is there")
    leaves.hang_up()
    assert_settles(server)
    with at_work(server, "/images/baseline.jpg?w=4000&output=png"):  # and while it is at work
        pass
    assert_settles(server)


# --- sources


def test_what_waits_beyond_the_share_lets_go_of_its_source(start, origin, tmp_path):
    """Sources that are evicted while their renditions wait are fetched again, when it is their turn; those within the share stay."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    settings = {"image.workers": 1, "pressure.budget": "1GiB", "pressure.source-share": "0.1%"}
    server = start({"images": {}}, **settings, **{"health.admin-token": str(tmp_path / "token")})
    names = ["cmyk.jpg", "progressive.jpg", "rgb.png"]  # the first fills the share nearly
    for name in names:
        assert server.get(f"/images/{name}?w=10").status == 200  # and the sources are cached
    with at_work(server, f"/images/{slow(1, 'png')}"):
        waits = []
        for count, name in enumerate(names, 1):
            waits.append(Asked(server, f"/images/{name}?w=20"))
            wait_until_waiting(server, count)
        assert 10**6 < metrics(server)["sluice_pressure_source_ahead_bytes"] < 1.05 * 10**6
        order = {"Authorization": f"Bearer {TOKEN}"}
        assert server.get("/api/cache/purge", order, "POST", json.dumps({"all": True})).status == 200
    assert [one.answer().status for one in waits] == [200] * len(waits)
    assert [origin.count(f"/{name}") for name in names] == [1, 2, 2]


def test_large_sources_are_not_fetched_too_early(start, origin):
    """While renditions that wait hold more than half of the share, a source that exceeds it is not let in; many small ones are."""
    settings = {"image.workers": 1, "pressure.budget": "2GiB", "pressure.source-share": "0.1%"}
    server = start({"images": {}}, **settings)
    origin.script("/large.jpg", file="cmyk.jpg")
    with at_work(server, f"/images/{slow(1)}"):
        held = [Asked(server, "/images/cmyk.jpg?w=20"), Asked(server, "/images/interlaced.png?w=20")]
        wait_until_waiting(server, 2)
        large = Asked(server, "/images/large.jpg?w=20")
        origin.wait_for_request("/large.jpg")
        small = [Asked(server, f"/images/exif-{number}.jpg?w=20") for number in range(1, 9)]
        wait_until_waiting(server, 10)
        assert 1.1e6 < metrics(server)["sluice_pressure_source_ahead_bytes"] < 1.5e6  # with the large one it would be 2.4
    assert [one.answer().status for one in (*held, large, *small)] == [200] * 11

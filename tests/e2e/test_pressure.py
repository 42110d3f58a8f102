"""Memory pressure, with real memory: the levels and what each of them does, and the storm of large pictures that must not kill."""

import collections
import concurrent.futures
import contextlib
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pictures
from clients import Asked, Prober, assert_settles, metrics, operations
from harness import MODULE, compile_c, request, wait_for

MIB = 1 << 20
ANSWERS_AT_CRITICAL = {"/api/health": 503, "/api/metrics/cache": 200, "/metrics": 200}


@pytest.fixture(scope="session")
def ballast(tmp_path_factory):
    return compile_c(Path(__file__).parent / "modules" / "ballast.c", tmp_path_factory.mktemp("modules") / "ballast.so")


@pytest.fixture
def site(sluice, ballast, origin, tmp_path):
    """site(budget in multiples of what an idle server takes, further settings) starts a Site."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a file")
    paths = {
        "/images": {"image.origin": origin.url("/")},
        "/files": {"file.dir": str(tmp_path / "files")},
        "/open": {"file.dir": str(tmp_path / "files")},
        "/proxy": {"proxy.reverse.url": origin.url("/")},
        "/api": {"health.api": "ON"},
        "/metrics": {"health.prometheus": "ON"},
        "/ballast": {"ballast": "ON"},
    }
    exempt = ["/api/health", "/api/metrics", "/metrics", "/ballast", "/open"]

    def start(budgets, **settings):
        fixed = {"load-module": [str(MODULE), str(ballast)], "pressure.exempt": exempt, "pressure.dwell": "300ms"}
        fixed["pressure.dwell-critical"] = "500ms"
        config = {**fixed, **settings, "hosts": {"default": {"paths": paths}}}
        budget = int(budgets * idle_bytes(lambda: sluice({**config, "pressure.budget": "4GiB"}, module=None)))
        return Site(sluice({**config, "pressure.budget": budget}, module=None), origin, budget)

    return start


def idle_bytes(start):
    server = start()
    assert server.get("/images/baseline.jpg?w=100").status == 200
    resident = server.rss_bytes()
    server.stop()
    return resident


class Site:
    def __init__(self, server, origin, budget):
        self.server, self.origin, self.budget, self.ballast = server, origin, budget, 0

    def set_resident(self, ratio):
        """Brings the resident set to that part of the budget, as it is before the server reacts; 0 takes all ballast away."""
        self.health()  # an answer means that all threads have started, and the resident set is what it will be at rest
        rest = self.server.rss_bytes() - self.ballast
        self.ballast = max(0, int(ratio * self.budget - rest) // MIB) * MIB
        assert ratio == 0 or self.ballast > 0, f"{rest / self.budget:.0%} of the budget are in use without ballast"
        assert self.server.get(f"/ballast?{self.ballast // MIB}").status == 200

    def health(self):
        return self.server.get("/api/health").json()

    def level(self):
        return self.health()["memory"]["level"]

    def wait_for_level(self, level, deadline_s=10):
        wait_for(lambda: self.level() == level, deadline_s, f"level {level}")

    def reach(self, ratio, level):
        self.set_resident(ratio)
        self.wait_for_level(level)

    def events(self):
        values = metrics(self.server)
        levels = ("elevated", "high", "critical", "emergency")
        return {level: values[f'sluice_pressure_events_total{{level="{level}"}}'] for level in levels}

    def fill_images(self, target_bytes):
        """Stores sources of 20 to 200 KB, and renditions of them: none is large enough for a mapping of its own."""
        chance, small = random.Random(1), (pictures.tests() / "grey.jpg").read_bytes()
        numbers = iter(range(1000000))
        with contextlib.closing(self.server.connection()) as connection:
            while metrics(self.server)["sluice_image_cache_bytes"] < target_bytes:
                for number in (next(numbers) for _ in range(20)):
                    # what follows the end of a JPEG is not looked at
                    self.origin.script(f"/fill-{number}.jpg", body=small + os.urandom(chance.randrange(20000, 200000)))
                    assert request(connection, f"/images/fill-{number}.jpg?w=20").status == 200
                    self.origin.unscript(f"/fill-{number}.jpg")

    def fill_metadata(self, count):
        """Has the server remember that so many pictures with long names do not exist; returns their paths."""
        paths = [f"/{number:06d}/{'/'.join(['x' * 99] * 6)}" for number in range(count)]
        with contextlib.closing(self.server.connection()) as connection:
            for path in paths:
                assert request(connection, f"/images{path}?w=10").json()["code"] == "not-found"
        return paths


# --- elevated


def test_elevated_shrinks_both_caches_and_the_pages_go(site):
    here = site(5, **{"image-cache.capacity": "1GiB", "image.negative-ttl": "10m"})
    capacity = here.health()["caches"]["image"]["capacity_bytes"]
    assert capacity <= here.budget // 2  # whatever was asked for
    missing = here.fill_metadata(2000)
    here.fill_images(0.8 * capacity)
    before, hot = here.health(), here.server.get("/images/fill-3.jpg?w=20")
    assert before["memory"]["level"] == "normal" and before["caches"]["image"]["bytes"] > 0.75 * capacity
    assert "hit" in hot.headers["cache-status"]

    here.reach(0.73, "elevated")
    reclaim = wait_for(lambda: here.health()["last_reclaim"], 10, "a reclaim")
    images, metadata = (here.health()["caches"][name] for name in ("image", "metadata"))
    assert 0.55 * capacity < images["bytes"] <= 0.6 * capacity
    dropped = 1 - metadata["entries"] / before["caches"]["metadata"]["entries"]
    assert 0.2 < dropped < 0.4
    # the oldest went: what was used last is still a hit, and of the missing pictures only the first are asked for anew
    assert "hit" in here.server.get("/images/fill-3.jpg?w=20").headers["cache-status"]
    assert "hit" not in here.server.get("/images/fill-4.jpg?w=20").headers["cache-status"]
    for path in (missing[0], missing[-1]):
        assert here.server.get(f"/images{path}?w=10").status == 404
    assert (here.origin.count(missing[0]), here.origin.count(missing[-1])) == (2, 1)

    gone = reclaim["resident_before_bytes"] - reclaim["resident_after_bytes"]
    print(f"claimed {reclaim['claimed_bytes'] / MIB:.1f} MiB, resident {reclaim['resident_before_bytes'] / MIB:.1f} -> "
          f"{reclaim['resident_after_bytes'] / MIB:.1f} MiB in {reclaim['duration_ms']} ms")  # fmt: skip
    assert reclaim["claimed_bytes"] > 0.15 * capacity
    assert gone >= 0.95 * reclaim["claimed_bytes"]
    assert images["free_bytes"] < 0.02 * capacity  # nothing was kept for use again


# --- high


def test_hits_go_on_at_high_and_new_work_is_refused(site):
    here = site(6, **{"image.queue-timeout": "300ms"})
    assert here.server.get("/images/baseline.jpg?w=100").status == 200
    here.reach(0.84, "high")
    for _ in range(20):
        answer = here.server.get("/images/baseline.jpg?w=100")
        assert answer.status == 200 and "hit" in answer.headers["cache-status"]
    assert here.server.get("/files/a.txt").status == 200
    cold = here.server.get("/images/rgb.png?w=100")
    assert (cold.status, cold.json()["code"], cold.headers["retry-after"]) == (503, "no-room", "5")
    assert here.health()["status"] == "degraded"
    here.set_resident(0)
    wait_for(lambda: here.server.get("/images/rgb.png?w=100").status == 200, 10, "there is room again")
    assert_settles(here.server)


@pytest.mark.parametrize("name", ["rgb.png", "grey.jpg", "alpha.webp"])  # in many pieces, and all there when it had to wait
def test_a_source_that_waited_in_vain_is_no_broken_picture(site, name):
    here = site(6, **{"image.queue-timeout": "300ms", "image.negative-ttl": "10m"})
    here.reach(0.84, "high")
    cold = here.server.get(f"/images/{name}?w=50")
    assert (cold.status, cold.json()["code"]) == (503, "no-room")
    assert here.origin.count(f"/{name}") == 1
    here.set_resident(0)
    wait_for(lambda: here.server.get(f"/images/{name}?w=50").status == 200, 10, "there is room again")
    assert_settles(here.server)


def test_new_work_waits_at_high_until_there_is_room(site):
    here = site(6, **{"image.queue-timeout": "60s", "image.origin-timeout": "60s"})
    here.reach(0.84, "high")
    asked = [Asked(here.server, f"/images/rgb.png?w={width}") for width in range(100, 110)]
    wait_for(lambda: operations(here.server)["requests"] == 10, 10, "ten requests are waiting")
    wait_for(lambda: metrics(here.server)["sluice_pressure_reservations_refused_total"] > 0, 10, "there is no room")
    assert operations(here.server)["requests"] == 10
    here.set_resident(0)
    assert {one.answer().status for one in asked} == {200}
    assert here.origin.count("/rgb.png") == 1
    assert_settles(here.server)


# --- critical


@pytest.mark.parametrize("http2", [False, True])
def test_critical_refuses_all_but_exempt_routes(site, http2):
    here = site(6)

    def get(path, **options):
        return here.server.get(path, http2=http2, **options)

    served = ["/images/baseline.jpg?w=100", "/files/a.txt", "/proxy/rgb.png"]
    assert [get(path).status for path in served] == [200, 200, 200]
    here.reach(0.92, "critical")
    fetched = here.origin.count()
    # what is not below an exempt prefix, or only looks as if it were
    tricks = ["/api/healthz", "/api", "/opened", "/metricsx", "/%61pi/healthz"]
    tricks += ["/api/health/../../files/a.txt", "/open/../files/a.txt"]
    for path in [*served, "/", "/unknown", *tricks]:
        for method in ("GET", "HEAD"):
            answer = get(path, method=method)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5"), (path, answer)
            assert answer.headers["content-type"] == "application/problem+json"
            if method == "GET":
                assert answer.json()["code"] == "memory-critical" and "pressure.budget" in answer.json()["detail"]
    assert get("/files/a.txt", method="POST", body=b"x" * 100000).status == 503
    assert here.origin.count() == fetched

    assert {path: get(path).status for path in ANSWERS_AT_CRITICAL} == ANSWERS_AT_CRITICAL
    assert get("/api/health").json()["status"] == "critical"
    for path in ("/open/a.txt", "/open/../open/a.txt", "/files/../open/a.txt"):
        assert (get(path).status, get(path).body) == (200, b"a file")
    for path in ("/api/health?x=1", "/api/../api/health", "/%61pi/health"):
        assert get(path).json()["status"] == "critical"
    images = get("/api/health").json()["caches"]["image"]
    assert (images["entries"], images["bytes"]) == (0, 0)

    # it flows again by itself, once memory has fallen and stayed low for the dwell
    here.set_resident(0)
    wait_for(lambda: get("/files/a.txt").status == 200, 10, "traffic flows again")
    assert [get(path).status for path in served] == [200, 200, 200]
    here.wait_for_level("normal")
    assert metrics(here.server)["sluice_requests_shed_total"] >= 2 * len(served)
    assert_settles(here.server)


def test_waiters_under_way_get_an_answer_at_critical(site):
    here = site(6)
    here.origin.hold("/baseline.jpg")
    asked = [Asked(here.server, "/images/baseline.jpg?w=100") for _ in range(10)]
    wait_for(lambda: operations(here.server)["requests"] == 10, 10, "ten requests are waiting")
    here.reach(0.92, "critical")
    assert operations(here.server)["requests"] == 10
    here.set_resident(0)
    here.origin.release("/baseline.jpg")
    assert {one.answer().status for one in asked} == {200}
    assert_settles(here.server)


def test_events_are_counted_once_per_crossing(site):
    here = site(6)
    assert here.events() == {"elevated": 0, "high": 0, "critical": 0, "emergency": 0}
    began = time.monotonic()
    here.reach(0.92, "critical")
    events = here.events()
    assert (events["elevated"], events["high"], events["emergency"]) == (1, 1, 0)
    # a level that persists is told again, after 2 s
    assert events["critical"] == 1 or (events["critical"] > 1 and time.monotonic() - began > 2)
    here.set_resident(0)
    here.wait_for_level("normal")
    assert here.events() == events
    here.reach(0.73, "elevated")
    assert here.events() == {**events, "elevated": 2}
    here.reach(0.85, "high")
    assert here.events() == {**events, "elevated": 2, "high": 2}
    assert len(re.findall(r"pressure: critical \(", here.server.log())) == 1


def test_emergency_flushes_every_cache(site):
    here = site(6, **{"image.negative-ttl": "10m"})
    here.fill_metadata(50)
    assert here.server.get("/images/baseline.jpg?w=100").status == 200
    here.reach(0.97, "emergency")
    assert {cache["entries"] for cache in here.health()["caches"].values()} == {0}
    here.set_resident(0)
    here.wait_for_level("normal")
    assert here.server.get("/images/baseline.jpg?w=100").status == 200


# --- reclaims that do not help, and what comes after


def code_of(here, path):
    return here.server.get(path).status


def test_the_gate_opens_when_nothing_is_left_to_reclaim(site):
    here = site(6, **{"pressure.release-after": "1s", "image.queue-timeout": "200ms"})
    assert code_of(here, "/images/baseline.jpg?w=100") == 200
    here.reach(0.92, "critical")
    assert code_of(here, "/files/a.txt") == 503
    # the ballast is nobody's: no reclaim brings the reading down, and it does not rise
    wait_for(lambda: code_of(here, "/files/a.txt") == 200, 10, "the gate opens")
    health = here.server.get("/api/health")
    memory, reclaims = health.json()["memory"], health.json()["reclaims"]
    assert (health.status, health.json()["status"], memory["level"], reclaims["unreclaimable"]) == (200, "degraded", "high", True)
    assert memory["resident_bytes"] > 0.9 * here.budget and memory["evictable_bytes"] == 0
    assert memory["residual_bytes"] > 0.6 * here.budget > memory["accounted_bytes"]
    assert any("unreclaimable" in reason for reason in health.json()["reasons"])
    assert metrics(here.server)["sluice_pressure_unreclaimable"] == 1
    cold = here.server.get("/images/rgb.png?w=100")
    assert (cold.status, cold.json()["code"]) == (503, "no-room")  # admission is still shut
    assert here.server.log().count("nothing is left to reclaim") == 1

    here.set_resident(0.94)  # it rises: shut at once, and open again when it has come to rest
    wait_for(lambda: "everybody is refused again" in here.server.log(), 10, "the gate shuts")
    wait_for(lambda: code_of(here, "/files/a.txt") == 200, 10, "the gate opens again")

    here.set_resident(0)
    here.wait_for_level("normal")
    assert code_of(here, "/images/baseline.jpg?w=100") == 200
    assert here.health()["reclaims"]["unreclaimable"] is False
    assert_settles(here.server)


def test_the_gate_stays_shut_where_memory_may_run_out(site):
    # over the budget, and nothing known of a limit: who knows what the machine can bear. A container's limit, where the test runs in
    # one, is made to count as reached
    here = site(6, **{"pressure.release-after": "1s", "pressure.release-headroom": "100%"})
    here.reach(1.04, "emergency")
    skipped = "sluice_pressure_skipped_reclaims_total"
    before = metrics(here.server)[skipped]
    wait_for(lambda: metrics(here.server)[skipped] >= before + 3, 20, "three repetitions are left out, which takes 3 s")
    assert code_of(here, "/files/a.txt") == 503 and here.health()["reclaims"]["unreclaimable"] is False
    here.set_resident(0)
    here.wait_for_level("normal")
    assert code_of(here, "/files/a.txt") == 200


def test_a_cache_that_was_shrunk_refills_step_by_step(site):
    here = site(5, **{"image-cache.capacity": "1GiB", "pressure.refill-period": "1s", "pressure.refill-rise": "100%"})
    capacity = here.health()["caches"]["image"]["capacity_bytes"]
    here.fill_images(0.7 * capacity)
    assert here.health()["caches"]["image"]["limit_bytes"] == capacity
    here.reach(0.73, "elevated")
    limited = wait_for(lambda: here.health()["caches"]["image"]["limit_bytes"] < capacity, 10, "a limit")
    assert limited
    shrunk = here.health()["caches"]["image"]
    assert shrunk["bytes"] <= shrunk["limit_bytes"] <= 0.61 * capacity
    here.set_resident(0)
    here.wait_for_level("normal")
    began, seen = time.monotonic(), []
    with contextlib.closing(here.server.connection()) as connection:
        for number in range(100000):
            store_source(here, connection, f"/more-{number}.jpg")
            image = here.health()["caches"]["image"]
            assert image["bytes"] <= image["limit_bytes"]
            seen.append(image["limit_bytes"])
            if image["bytes"] > 0.75 * capacity:
                break
    took = time.monotonic() - began
    assert seen == sorted(seen)
    steps = {after - before for before, after in zip(seen, seen[1:]) if after != before}
    assert max(steps) <= 0.0501 * capacity  # of 5 % each
    assert took >= len(steps) and seen[-1] >= 0.75 * capacity  # the product's own clock: a second between two of them
    wait_for(lambda: here.health()["caches"]["image"]["limit_bytes"] == capacity, 20, "all of it is given back")


def store_source(here, connection, path):
    body = (pictures.tests() / "grey.jpg").read_bytes() + os.urandom(100000)
    here.origin.script(path, body=body)
    assert request(connection, f"/images{path}?w=20").status == 200
    here.origin.unscript(path)


def test_ineffective_reclaims_are_said_once(site):
    here = site(5, **{"image-cache.capacity": "1GiB", "pressure.release-after": "1s"})
    here.fill_images(0.8 * here.health()["caches"]["image"]["capacity_bytes"])
    if code_of(here, "/ballast?lock") != 200:
        pytest.skip("the server may not lock its memory (mlockall), so what it frees cannot be made to stay")
    here.reach(0.73, "elevated")
    first = wait_for(lambda: here.health()["last_reclaim"], 10, "a reclaim")
    gone = first["resident_before_bytes"] - first["resident_after_bytes"]
    print(f"claimed {first['claimed_bytes'] / MIB:.1f} MiB, gone {gone / MIB:.1f} MiB")
    assert gone < first["claimed_bytes"] / 2
    assert here.health()["reclaims"]["ineffective"] is False  # once is no pattern
    here.reach(0.92, "critical")
    reclaims = wait_for(lambda: (r := here.health()["reclaims"])["ineffective"] and r, 10, "a verdict")
    assert reclaims["poor"] >= 2 and reclaims["backoff_ms"] >= 1000
    assert metrics(here.server)["sluice_pressure_ineffective"] == 1
    assert any("ineffective" in reason for reason in here.health()["reasons"])
    # the caches are empty and are not told again; the gate opens, since nothing helps or since enough went with a whole heap
    wait_for(lambda: code_of(here, "/files/a.txt") == 200, 10, "the gate opens")
    assert here.health()["caches"]["image"]["entries"] == 0
    assert here.server.log().count("reclaim is INEFFECTIVE") == 1


# --- the storm

STORM_BUDGET, STORM_PICTURES, STORM_CLIENTS, STORM_REQUESTS = 256 * MIB, 24, 64, 4
STORM_WIDTHS = 300, 450


@contextlib.contextmanager
def file_server(folder):
    """Serves a folder from a process of its own; yields its URL."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield re.search(r"http://[\d.]+:\d+/", process.stdout.readline())[0]
        finally:
            process.kill()


def peak_bytes(server):
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())[1]) << 10


def ask_in_storm(server, paths, answers):
    """One client: a connection that is kept, and asked for one picture after the other."""
    with contextlib.closing(server.connection(120)) as connection:
        for path in paths:
            answer = request(connection, path)
            answers.append((path, answer))


def is_picture(path, body):
    width = int(path.rpartition("=")[2])
    return pictures.decode(body).size == (width, round(width * 2 / 3))


def test_storm_of_large_pictures(sluice):
    files = pictures.large(STORM_PICTURES)
    with file_server(files[0].parent) as url:
        paths = {"/images": {"image.origin": url}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        limits = {"pressure.budget": STORM_BUDGET, "image-cache.capacity": "128MiB"}
        # who waits for memory may wait as long as it takes here: nothing else than a shortage of it could refuse anybody
        limits.update({f"image.{name}-timeout": "5m" for name in ("queue", "origin", "transform")})
        server = sluice({**limits, "hosts": {"default": {"paths": paths}}})
        chance, answers, levels = random.Random(1), [], []
        wanted = [f"/images/{file.name}?w={width}" for file in files for width in STORM_WIDTHS]
        began = time.monotonic()
        with Prober(server, observe=lambda answer: levels.append(answer.json()["memory"])) as prober:
            with concurrent.futures.ThreadPoolExecutor(STORM_CLIENTS) as pool:
                wishes = [chance.sample(wanted, STORM_REQUESTS) for _ in range(STORM_CLIENTS)]
                for client in [pool.submit(ask_in_storm, server, paths, answers) for paths in wishes]:
                    client.result()
        took = time.monotonic() - began
        peak = peak_bytes(server)
        sampled = server.get("/api/health").json()["memory"]["peak_resident_bytes"]
        worst = max(levels, key=lambda memory: memory["resident_bytes"])["level"]
        print(f"storm: {dict(collections.Counter(answer.status for _, answer in answers))} in {took:.1f} s, "
              f"{metrics(server)['sluice_transforms_total'] / took:.1f} pictures a second, peak RSS {peak / MIB:.0f} MiB = "
              f"{peak / STORM_BUDGET:.0%} of the budget ({sampled / MIB:.0f} MiB as sampled), worst level {worst}, "
              f"health answered {prober.count} times")  # fmt: skip
        assert len(answers) == STORM_CLIENTS * STORM_REQUESTS
        assert [answer for _, answer in answers if answer.status != 200] == []
        assert [path for path, body in {(path, answer.body) for path, answer in answers} if not is_picture(path, body)] == []
        assert prober.faults == [] and prober.count > 10
        assert peak < 0.9 * STORM_BUDGET  # the mark of critical: admission alone has kept it below
        assert server.process.is_alive()
        assert_settles(server)
        assert server.stop()

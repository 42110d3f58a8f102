"""The views of memory: equal to what /proc says, to each other and to /metrics; and there at every level, whoever asks."""

import contextlib
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from cgroups import MemoryGroup
from clients import Asked
from harness import request, wait_for
from problems import assert_problem
from purging import BEARER, token_file  # noqa: F401, a fixture
from test_hits import SlowReader

MIB = 1 << 20
VIEWS = (
    "/api/health/live",
    "/api/health/ready",
    "/api/health/metrics",
    "/api/memory/stats",
    "/api/memory/heap",
    "/api/memory/process",
    "/api/memory/consumers",
    "/api/memory/consumers/image",
    "/api/memory/trend",
    "/api/memory/trend?period=1",
    "/api/memory/report",
)
FAST = {"pressure.dwell": "100ms", "pressure.dwell-critical": "100ms"}
SLACK = 2 * MIB  # what a server at rest may take or give between two looks
SERIES = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")


@pytest.fixture
def start(sluice, origin, token_file):  # noqa: F811
    def start_server(settings=None, **options):
        paths = {"/images": {"image.origin": origin.url("/")}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
        return sluice({"health.admin-token": str(token_file), **(settings or {}), "hosts": {"default": {"paths": paths}}}, **options)

    return start_server


def view(server, path):
    answer = server.get(path)
    assert answer.status == 200, (path, answer, answer.body)
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def metrics(server):
    """series -> value of /metrics."""
    lines = (SERIES.match(line) for line in server.get("/metrics").body.decode().splitlines())
    return {(match[1], match[2]): float(match[3]) for match in lines if match}


def simulate(server, mib, seconds=60):
    answer = server.get("/api/memory/simulate", BEARER, "POST", json.dumps({"bytes": mib * MIB, "seconds": seconds}))
    assert answer.status == 200, answer.body


def level(server):
    return view(server, "/api/memory/stats")["level"]


def status_of(server):
    """name -> number of /proc/PID/status, in bytes where it has a unit."""
    text = Path(f"/proc/{server.worker().pid}/status").read_text()
    fields = re.findall(r"^(\w+):\s+(\d+)( kB)?$", text, re.M)
    return {name: int(value) * (1024 if unit else 1) for name, value, unit in fields}


def fds_of(server):
    return len(os.listdir(f"/proc/{server.worker().pid}/fd"))


def warm(server, widths=range(40, 80, 4)):
    for width in widths:
        assert server.get(f"/images/baseline.jpg?w={width}").status == 200


def is_near(a, b, slack=SLACK):
    return abs(a - b) <= slack


# --- against /proc


def test_the_process_is_what_proc_says(start):
    server = start()
    warm(server)

    def is_equal():
        process, status = view(server, "/api/memory/process"), status_of(server)
        near = {"resident_bytes": "VmRSS", "anonymous_bytes": "RssAnon", "file_bytes": "RssFile", "page_table_bytes": "VmPTE"}
        same = {
            "pid": "Pid", "threads": "Threads", "virtual_bytes": "VmSize", "swap_bytes": "VmSwap", "shared_bytes": "RssShmem",
            "peak_virtual_bytes": "VmPeak", "data_bytes": "VmData", "stack_bytes": "VmStk", "locked_bytes": "VmLck",
        }  # fmt: skip
        return all(is_near(process[name], status[field]) for name, field in near.items()) and all(
            process[name] == status[field] for name, field in same.items()
        )

    wait_for(is_equal, 10, "the figures of a server at rest")
    process = view(server, "/api/memory/process")
    limits = Path(f"/proc/{server.worker().pid}/limits").read_text()
    assert process["max_fds"] == int(re.search(r"Max open files\s+(\d+)", limits)[1])
    assert is_near(process["cpu_seconds"], server.cpu_seconds(), 1)
    assert process["peak_resident_bytes"] >= process["resident_bytes"] - SLACK
    assert process["uptime_seconds"] <= 60


def test_descriptors_are_counted(start):
    server = start()

    def is_counted():  # the connection of the question may be one more
        return is_near(view(server, "/api/memory/process")["fds"], fds_of(server), 2)

    wait_for(is_counted, 10, "all threads have begun")
    before = fds_of(server)
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    wait_for(lambda: fds_of(server) >= before + 45, 10, "the server has accepted")
    wait_for(is_counted, 10, "they are counted")
    assert view(server, "/api/memory/process")["fds"] >= before + 45
    for connection in connections:
        connection.close()
    wait_for(lambda: view(server, "/api/memory/process")["fds"] <= before + 5, 10, "and no more when they are gone")


def test_stalls_are_what_the_kernel_says(start):
    group = [line.rpartition(":")[2].strip() for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    roots = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")]
    folders = [root / path.lstrip("/") for path in group for root in roots]
    files = [folder / "memory.pressure" for start in folders for folder in (start, *start.parents)] + [Path("/proc/pressure/memory")]
    file = next((file for file in files if file.exists()), None)
    server = start()
    psi = view(server, "/api/memory/stats")["psi"]
    if file is None:
        assert psi is None
        return

    def is_equal():
        told = view(server, "/api/memory/stats")["psi"]
        lines = {line.split()[0]: dict(word.split("=") for word in line.split()[1:]) for line in file.read_text().splitlines()}
        return all(
            is_near(told[f"{kind}_{name}"], float(lines[kind][name]) / 100, 0.02) for kind in lines for name in ("avg10", "avg60", "avg300")
        ) and all(is_near(told[f"{kind}_seconds"], int(lines[kind]["total"]) / 1e6, 1) for kind in lines)

    wait_for(is_equal, 10, "the figures of " + str(file))


def test_a_cgroup_is_shown(start):
    with MemoryGroup(512 * MIB) as group:
        server = start(group=group)
        cgroup = view(server, "/api/memory/stats")["cgroup"]
        assert cgroup["limit_bytes"] == 512 * MIB and 0 < cgroup["bytes"] < 512 * MIB
    assert view(start({"pressure.budget": "300MiB"}), "/api/memory/stats")["budget_bytes"] == 300 * MIB


# --- against each other


def test_views_agree(start):
    server = start({"pressure.budget": "1000MiB"})
    warm(server)

    def settled():  # the coordinator has looked since the last reservation was released, and the observer too
        report = view(server, "/api/memory/report")
        stats = report["stats"]
        is_seen = is_near(stats["resident_bytes"], report["process"]["resident_bytes"])
        return report if is_seen and stats["accounted_bytes"] == report["consumers"]["accounted_bytes"] else None

    report = wait_for(settled, 20, "the views agree")
    stats, consumers = report["stats"], report["consumers"]["consumers"]
    for part in ("leaks", "operations", "alerts"):
        assert report[part].keys() == view(server, f"/api/memory/{part}").keys()
    assert stats["heap"] == report["heap"]
    accounted = sum(one["used_bytes"] + one["pinned_bytes"] for one in consumers if one["accounted"])
    assert accounted == stats["accounted_bytes"]
    assert stats["accounted_bytes"] + stats["unaccounted_bytes"] == stats["resident_bytes"]
    assert stats["resident_bytes"] == report["health"]["memory"]["resident_bytes"]
    assert stats["evictable_bytes"] == sum(one["evictable_bytes"] for one in consumers if one["accounted"])
    marks = {"elevated": 700, "degraded": 750, "high": 800, "critical": 900, "emergency": 950}
    assert stats["marks_bytes"] == {name: mib * MIB for name, mib in marks.items()}
    for one in consumers:
        alone = view(server, f"/api/memory/consumers/{one['name']}")
        assert alone.keys() == one.keys() and alone["limit_bytes"] == one["limit_bytes"]
    held = {one["name"]: one["used_bytes"] + one["pinned_bytes"] for one in consumers}

    def is_in_the_trend():
        newest = view(server, "/api/memory/trend?period=1")["series"][0]["points"][-1]
        return (newest["image_bytes"], newest["metadata_bytes"], newest["accounted_bytes"], newest["level"]) == (
            held["image"], held["metadata"], stats["accounted_bytes"], "normal")  # fmt: skip

    wait_for(is_in_the_trend, 10, "the next point says the same")


def test_metrics_agree(start):
    server = start({"pressure.budget": "1000MiB", "health.simulate": "ON"})
    warm(server)
    simulate(server, 3)

    def is_equal():
        report, said = view(server, "/api/memory/report"), metrics(server)
        heap, process, stats = report["heap"], report["process"], report["stats"]
        return (
            said["process_open_fds", None] == process["fds"]
            and said["process_max_fds", None] == process["max_fds"]
            and said["process_threads", None] == process["threads"]
            and said["process_virtual_memory_bytes", None] == process["virtual_bytes"]
            and said["process_resident_memory_bytes", None] == stats["resident_bytes"]
            and said["sluice_process_swap_bytes", None] == process["swap_bytes"]
            and said["sluice_process_anonymous_bytes", None] == process["anonymous_bytes"]
            and said["sluice_simulated_bytes", None] == stats["simulated_bytes"] == 3 * MIB
            and said["sluice_heap_info", f'allocator="{heap["allocator"]}"'] == 1
            and all(said[f"sluice_heap_{part}_bytes", None] == heap[f"{part}_bytes"] for part in ("allocated", "active", "resident", "retained", "free"))
            and all(
                said["sluice_pressure_mark_ratio", f'level="{name}"'] * 1000 * MIB == pytest.approx(bytes_)
                for name, bytes_ in stats["marks_bytes"].items()
            )
        )

    wait_for(is_equal, 10, "all figures are the same at rest")


def test_consumers_follow_the_load(start):
    server = start({"image-cache.capacity": "1MiB"})

    def image():
        return view(server, "/api/memory/consumers/image")

    assert image()["status"] == "ok" and image()["entries"] == 0
    assert (image()["limit_bytes"], image()["warning_bytes"], image()["critical_bytes"]) == (MIB, MIB * 3 // 4, MIB * 9 // 10)
    for width in range(300, 700, 20):
        assert server.get(f"/images/baseline.jpg?w={width}&q=95").status == 200
    wait_for(lambda: image()["status"] == "critical", 10, "a full cache is at its mark")
    assert image()["used_bytes"] >= image()["critical_bytes"] and image()["entries"] > 0


def test_slow_readers_pin(start):
    server = start({"health.simulate": "ON", "pressure.budget": "2GiB", **FAST})
    large = "/images/photo.tif?w=3200&output=png"
    size = len(server.get(large).body)
    assert server.get(large).headers["Cache-Status"].startswith("sluice; hit")
    reader = SlowReader(server, large)
    simulate(server, 1850)
    wait_for(lambda: view(server, "/api/memory/consumers/image")["pinned_bytes"] >= size, 10, "cleared, and still being sent")
    simulate(server, 0, 0)
    consumers = view(server, "/api/memory/consumers")["consumers"]
    assert next(one for one in consumers if one["name"] == "image")["used_bytes"] < size
    assert sum(one["used_bytes"] + one["pinned_bytes"] for one in consumers if one["accounted"]) >= size
    assert len(reader.body()) == size
    wait_for(lambda: view(server, "/api/memory/consumers/image")["pinned_bytes"] == 0, 10, "let go")


# --- heap


def test_the_heap_of_glibc(start):
    if os.environ.get("SLUICE_EXTRA_PRELOAD"):
        pytest.skip("a sanitizer has a heap of its own")
    heap = view(start(), "/api/memory/heap")
    assert heap["allocator"] == "glibc" and 1 <= len(heap["arenas"]) <= 16
    assert 0 < heap["allocated_bytes"] <= heap["active_bytes"] == heap["mapped_bytes"]
    assert heap["active_bytes"] == pytest.approx(heap["allocated_bytes"] + heap["free_bytes"])
    assert sum(arena["system_bytes"] for arena in heap["arenas"]) <= heap["mapped_bytes"]
    assert sum(arena["free_bytes"] for arena in heap["arenas"]) == heap["free_bytes"]


def test_the_heap_of_jemalloc(start):
    library = next(Path("/usr/lib").glob("*/libjemalloc.so.2"), None)
    if library is None or os.environ.get("SLUICE_EXTRA_PRELOAD"):
        pytest.skip("needs libjemalloc2, and no sanitizer")
    server = start(env={"LD_PRELOAD": str(library)})
    warm(server)
    heap = view(server, "/api/memory/heap")
    assert heap["allocator"] == "jemalloc" and heap["arenas"] == []
    assert 0 < heap["allocated_bytes"] <= heap["active_bytes"] <= heap["resident_bytes"] <= heap["mapped_bytes"]
    assert heap["free_bytes"] == heap["resident_bytes"] - heap["allocated_bytes"]
    assert metrics(server)["sluice_heap_info", 'allocator="jemalloc"'] == 1


def test_heaps_are_looked_at_again(start):
    server = start()
    first = view(server, "/api/memory/heap")["looks"]
    wait_for(lambda: view(server, "/api/memory/heap")["looks"] > first, 25, "another look")
    assert view(server, "/api/memory/heap")["age_ms"] < 10000


# --- trend


def test_the_trend_follows(start):
    server = start({"health.simulate": "ON", "pressure.budget": "1000MiB", **FAST})
    warm(server)
    simulate(server, 600, 2)

    def points(period):
        [series] = view(server, f"/api/memory/trend?period={period}")["series"]
        assert series["period_seconds"] == period
        return series["points"]

    wait_for(lambda: any(point["resident_bytes"] > 600 * MIB for point in points(1)), 10, "what is pretended is seen")
    wait_for(lambda: points(1)[-1]["resident_bytes"] < 600 * MIB, 10, "and its end")
    assert any(point["resident_bytes"] > 600 * MIB for point in points(60)), "a peak stays"
    times = [point["at"] for point in points(1)]
    assert times == sorted(times) and len(points(1)) >= len(points(10)) >= len(points(60)) >= 1
    newest = points(1)[-1]
    cache = server.get("/api/metrics/cache").json()["caches"][0]
    assert newest["hits"] <= cache["hits"] and newest["misses"] == cache["misses"] + cache["coalesced"] and newest["requests"] >= 10
    assert [series["period_seconds"] for series in view(server, "/api/memory/trend")["series"]] == [1, 10, 60]
    assert view(server, "/api/memory/trend")["growth_span_seconds"] == 0, "half a minute is needed to tell"


def test_what_the_image_cache_sets_aside(start):
    """The coordinator counts the place for what is remembered of evicted pictures from the start, the cache from the first eviction
    on. Otherwise they have the same bytes."""
    server = start({"image-cache.capacity": "1MiB"})

    def beyond_the_cache():
        sizes, told = server.get("/api/health").json()["caches"], view(server, "/api/memory/consumers")["consumers"]
        return {name: next(one for one in told if one["name"] == name)["used_bytes"] - sizes[name]["bytes"] for name in sizes}

    wait_for(lambda: beyond_the_cache() == {"image": MIB // 512, "metadata": 0}, 10, "all that is set aside is counted")
    for width in range(300, 340):
        assert server.get(f"/images/baseline.jpg?w={width}&q=95").status == 200
    assert server.get("/api/metrics/cache").json()["caches"][0]["evictions"]["capacity"] > 0
    wait_for(lambda: beyond_the_cache() == {"image": 0, "metadata": 0}, 10, "nothing is beyond the cache")


def test_odd_periods(start):
    server = start()
    for period in ("", "0", "2", "1s", "01", "-1", "%31", "1" * 100):
        assert "1, 10 or 60" in assert_problem(server.get(f"/api/memory/trend?period={period}"), 400, "bad-period")


# --- names


def test_odd_names(start):
    server = start()
    names = [one["name"] for one in view(server, "/api/memory/consumers")["consumers"]]
    assert len(set(names)) == len(names) >= 5
    for name in ("", "imag", "images", "IMAGE", "image/", "image%00", "%ff%fe", "a" * 2000, "%22%3e", "image%20"):
        detail = assert_problem(server.get(f"/api/memory/consumers/{name}"), 404, "unknown-consumer")
        assert detail == "the consumers are " + ", ".join(names)
    assert view(server, "/api/memory/consumers/%69mage")["name"] == "image"
    for path in ("/api/memory", "/api/memory/", "/api/memory/statsx", "/api/health/", "/api/health/livex", "/api/memory/consumers/..%2fimage"):
        assert_problem(server.get(path), 404, "unknown-route")


def test_methods(start):
    server = start()
    for path in VIEWS:
        got, head = server.get(path), server.get(path, method="HEAD")
        assert (head.status, head.body) == (200, b"") and head.headers["Content-Type"] == got.headers["Content-Type"]
        assert int(head.headers["Content-Length"]) > 0
        answer = server.get(path, BEARER, "POST", "{}")
        assert "takes GET and HEAD" in assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == "GET, HEAD"
        assert server.get(path, http2=True).status == 200


# --- at every level


def test_all_answer_at_every_level(start):
    server = start({"health.simulate": "ON", "pressure.budget": "1000MiB", "pressure.release-after": "10m", **FAST})
    for mib, expected in ((680, "elevated"), (780, "high"), (880, "critical"), (930, "emergency")):
        simulate(server, mib)
        wait_for(lambda: level(server) == expected, 5, f"{mib} MiB is {expected}")
        is_ready = expected in ("elevated", "high")
        for path in VIEWS:
            answer = server.get(path)
            assert answer.status == (200 if is_ready or not path.endswith("/ready") else 503), (expected, path, answer.body)
        ready = server.get("/api/health/ready").json()
        assert ready == {"status": "ready" if is_ready else "not-ready", "level": expected, "draining": False}
        told = view(server, "/api/health/metrics")
        assert told["level"] == expected and told["events"][expected]["told"] == 1 and told["events"][expected]["age_ms"] < 60000
        assert any("pretended" in sentence for sentence in view(server, "/api/memory/report")["recommendations"])
    simulate(server, 0, 0)
    wait_for(lambda: server.get("/api/health/ready").status == 200, 10, "ready again")
    assert view(server, "/api/memory/stats")["simulated_bytes"] == 0


def test_not_ready_while_draining(start, origin):
    server = start({"health.drain-timeout": "1m"})
    origin.hold("/baseline.jpg")
    asked = Asked(server, "/images/baseline.jpg?w=33")
    origin.wait_for_request("/baseline.jpg")
    with contextlib.closing(server.connection()) as kept:
        assert request(kept, "/api/health/ready").json() == {"status": "ready", "level": "normal", "draining": False}
        server.process.signal(signal.SIGTERM)
        wait_for(lambda: "gracefully shutting down" in server.log() and "sluice: shutdown:" in server.log(), 10, "it drains")
        answer = request(kept, "/api/health/ready")
        assert answer.status == 503 and answer.json() == {"status": "not-ready", "level": "normal", "draining": True}
    origin.release("/baseline.jpg")
    assert asked.answer().status == 200


def test_listeners_say_what_they_did(start):
    server = start({"health.simulate": "ON", "pressure.budget": "1000MiB", "pressure.purge-pause": "0", **FAST})
    warm(server)
    assert view(server, "/api/memory/consumers/image")["reclaim"]["last"] is None
    simulate(server, 880)
    wait_for(lambda: view(server, "/api/memory/consumers/image")["reclaim"]["last"], 5, "the image cache was told")
    told = {one["name"]: one for one in view(server, "/api/health/metrics")["listeners"]}
    assert told["image"]["last"]["level"] in ("high", "critical") and told["image"]["released_objects"] >= 10
    assert told["image"]["last"]["result"] in ("done", "nothing-left") and told["image"]["used_bytes"] < MIB
    assert told["metadata"]["calls"] >= 1


def test_the_format_of_metrics_is_no_matter(start):
    server = start(env={"METRICS_FORMAT": "prometheus"})
    for path in VIEWS:
        assert isinstance(view(server, path), dict)


def test_clients_that_leave_early(start):
    server = start()
    for path in ("/api/memory/report", "/api/memory/trend"):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    wait_for(lambda: server.get("/api/memory/report").status == 200, 10, "the line is done")


def test_a_crowd_does_not_queue_for_ever(start):
    server = start()
    socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for sock in socks:
        sock.sendall(b"GET /api/memory/report HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for sock in socks:
        with sock, sock.makefile("rb") as stream:
            answer = stream.read()
            assert answer.startswith(b"HTTP/1.1 200 ") or (answer.startswith(b"HTTP/1.1 503 ") and b'"code":"busy"' in answer), answer[:300]
    assert view(server, "/api/health/live")["status"] == "alive"
    assert view(server, "/api/memory/report")["version"]


def test_it_ends_while_asked(start):
    """Reports under way when the last loop goes: nobody waits for the other."""
    server = start()
    socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for sock in socks:
        sock.sendall(b"GET /api/memory/report HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
    assert server.stop()
    for sock in socks:
        sock.close()

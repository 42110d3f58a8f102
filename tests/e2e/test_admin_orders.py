"""The orders of administrators about memory: what they answer is measured against /proc, and they change what they say."""

import io
import json
import os
import random
import re
import signal
import stat
import subprocess
import xml.etree.ElementTree
from pathlib import Path

import pytest
from PIL import Image

from harness import compile_c, wait_for
from problems import assert_problem
from purging import BEARER, hits, is_hit, origin, token_file  # noqa: F401, fixtures

MIB = 1 << 20
JEMALLOC = Path("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2")
# a sanitizer has an allocator of its own
with_jemalloc = pytest.mark.skipif(not JEMALLOC.exists() or "SLUICE_EXTRA_PRELOAD" in os.environ, reason="no libjemalloc2, or a sanitizer")
ALLOCATORS = ["glibc", pytest.param("jemalloc", marks=with_jemalloc)]
NAME = re.compile(r"sluice-(report|heap)-\d{8}T\d{6}\.\d{3}Z-(\d+)\.(json|xml|heap)")


def order(server, name, status=200, headers=BEARER):
    answer = server.get(f"/api/memory/{name}", headers, "POST")
    assert answer.status == status, (answer, answer.body)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def preloaded(allocator):
    """The environment of a server with that allocator."""
    if allocator == "glibc":
        return {}
    return {"LD_PRELOAD": str(JEMALLOC)}


def noise(seed, side):
    """A picture that no encoder makes small."""
    random.seed(seed)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.randbytes(side * side * 3)).save(file, "png", compress_level=1)
    return file.getvalue()


@pytest.fixture
def noisy(origin):
    """An origin of forty pictures of about 200 KB each: the cache has mappings of their own for larger ones, which are never free."""
    for number in range(40):
        origin.script(f"/noise{number}.png", body=noise(number, 260), content_type="image/png")
    return origin


@pytest.fixture
def launch(sluice, token_file, tmp_path):
    """launch(origin) starts a server with a token and a folder for reports, which it has as .reports."""

    def launch_server(origin=None, allocator="glibc", env=None, mode=None, **settings):
        folder = tmp_path / "reports"
        folder.mkdir(exist_ok=True)
        paths = {"/api": {"health.api": "ON"}, **({"/images": {"image.origin": origin.url("/")}} if origin else {})}
        config = {"health.admin-token": str(token_file), "health.report-dir": str(folder), **settings, "hosts": {"default": {"paths": paths}}}
        server = sluice(config, env={**preloaded(allocator), **(env or {})}, mode=mode)
        server.reports = folder
        return server

    return launch_server


def fill(server):
    """Has some 20 MiB cached, and returns the URLs."""
    urls = [f"/images/noise{number}.png?w={width}" for number in range(40) for width in (220, 240)]
    for url in urls:
        assert server.get(url).status == 200
    return urls


def image_cache(server):
    return caches(server)["image"]


def caches(server):
    return {cache["name"]: cache for cache in server.get("/api/metrics/cache").json()["caches"]}


# --- trim


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_trim_gives_back_what_is_free(launch, noisy, allocator):
    server = launch(noisy, allocator)
    urls = fill(server)
    assert server.get("/api/cache/purge", BEARER, "POST", '{"all": true}').status == 200
    before = image_cache(server)["free_bytes"]
    rss = server.rss_bytes()
    done = order(server, "trim")
    assert before > 4 * MIB and image_cache(server)["free_bytes"] < before * 0.1  # the last readers may be done only now
    assert done["image_cache_bytes"] >= before * 0.9
    assert done["allocator"] == allocator
    assert done["purged_bytes"] >= done["image_cache_bytes"] * 0.9
    # as the kernel sees it, from outside
    assert abs(done["resident_before_bytes"] - rss) < 8 * MIB
    assert abs(done["resident_after_bytes"] - server.rss_bytes()) < 8 * MIB
    assert done["purged_bytes"] == done["resident_before_bytes"] - done["resident_after_bytes"]
    assert server.get(urls[0]).status == 200


def test_trim_leaves_what_is_cached(launch, noisy):
    server = launch(noisy)
    urls = fill(server)
    entries = image_cache(server)["entries"]
    order(server, "trim")
    assert image_cache(server)["entries"] == entries and hits(server, urls) == set(urls)


TELLS_OF_TRIMS = """
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>
int malloc_trim(size_t pad)
{
    int (*real)(size_t) = (int (*)(size_t))dlsym(RTLD_NEXT, "malloc_trim");
    if (write(2, "malloc_trim was called\\n", 23) != 23)
        return 0;
    return real(pad);
}
"""


@pytest.mark.skipif("SLUICE_EXTRA_PRELOAD" in os.environ, reason="a sanitizer has an allocator of its own")
@pytest.mark.parametrize("name", ["trim", "cleanup"])
def test_orders_reach_the_allocator(launch, tmp_path, name):
    """However little it has to give: the coordinator would not take the trouble."""
    source = tmp_path / "trims.c"
    source.write_text(TELLS_OF_TRIMS)
    library = compile_c(source, tmp_path / "trims.so", "-ldl")
    server = launch(env={"LD_PRELOAD": library})
    before = server.log().count("malloc_trim was called")
    order(server, name)
    wait_for(lambda: server.log().count("malloc_trim was called") > before, 10, "a call of malloc_trim()")


# --- cleanup


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_cleanup_clears_every_cache_and_measures(launch, noisy, allocator):
    server = launch(noisy, allocator)
    urls = fill(server)
    cached = image_cache(server)
    held = cached["bytes"]
    assert held > 10 * MIB
    rss = server.rss_bytes()
    done = order(server, "cleanup")
    after = server.rss_bytes()
    left = caches(server)
    assert left["image"]["entries"] == 0 and left["metadata"]["entries"] == 0
    assert done["claimed_bytes"] >= held * 0.95 and done["objects"] >= cached["entries"]
    assert abs(done["resident_before_bytes"] - rss) < 8 * MIB and abs(done["resident_after_bytes"] - after) < 8 * MIB
    assert rss - after >= held * 0.9  # really gone
    assert not is_hit(server.get(urls[0])) and is_hit(server.get(urls[0]))


def test_cleanup_is_a_reclaim_but_no_event(launch, noisy):
    server = launch(noisy)
    fill(server)
    health = server.get("/api/health").json()
    order(server, "cleanup")
    assert "pressure: emergency ordered" in server.log()
    text = server.get("/api/health").json()
    assert text["status"] == health["status"] == "healthy" and text["memory"]["level"] == "normal"
    # no order is lost where there is nothing to clear
    assert order(server, "cleanup")["objects"] == 0
    assert order(server, "cleanup")["claimed_bytes"] < MIB


def test_cleanups_at_once_are_all_answered(launch, noisy):
    server = launch(noisy)
    fill(server)
    connections = [server.connection() for _ in range(8)]
    for connection in connections:
        connection.request("POST", "/api/memory/cleanup", headers=BEARER)
    answers = [json.loads(connection.getresponse().read()) for connection in connections]
    assert sum(answer["objects"] > 0 for answer in answers) == 1
    assert all(answer["duration_ms"] >= 0 for answer in answers)


def test_a_client_that_leaves_does_not_undo_its_order(launch, noisy):
    server = launch(noisy)
    fill(server)
    connection = server.connection()
    connection.request("POST", "/api/memory/cleanup", headers=BEARER)
    connection.close()
    wait_for(lambda: image_cache(server)["entries"] == 0, 10, "the caches are empty")
    assert order(server, "cleanup")["objects"] == 0


# --- snapshot


def report_files(server):
    return sorted(path.name for path in server.reports.iterdir())


def assert_files(paths, pid, allocator="glibc"):
    """Both files, of that process and for its user only, and each is what it should be."""
    report, heap = map(Path, paths)
    for path in (report, heap):
        assert int(NAME.fullmatch(path.name)[2]) == pid
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(report.read_text())
    assert told["stats"]["resident_bytes"] > MIB and told["health"]["status"] == "healthy" and told["process"]["pid"] == pid
    if allocator == "glibc":
        root = xml.etree.ElementTree.parse(heap).getroot()
        assert root.tag == "malloc" and root.findall("heap")
    else:
        assert json.loads(heap.read_text())["jemalloc"]["stats"]["resident"] > MIB


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_snapshot_writes_report_and_heap(launch, allocator):
    server = launch(allocator=allocator)
    files = order(server, "snapshot")["files"]
    assert [str(server.reports / name) for name in report_files(server)] == sorted(files)
    assert_files(files, server.worker().pid, allocator)


@with_jemalloc
def test_snapshot_has_the_profile_where_jemalloc_makes_one(launch):
    server = launch(allocator="jemalloc", env={"MALLOC_CONF": "prof:true"})
    report, heap = map(Path, order(server, "snapshot")["files"])
    if heap.suffix == ".json":
        pytest.skip("this jemalloc was built without profiling")
    assert heap.read_text().startswith("heap_v2/") and stat.S_IMODE(heap.stat().st_mode) == 0o600


def test_ten_of_each_kind_are_kept_and_nobody_elses(launch):
    server = launch()
    others = ["sluice-report-notes.json", "report.json", "sluice-report-20200101T000000.000Z", "sluice-reports-20200101T000000.000Z-1.json"]
    for name in others:
        (server.reports / name).write_text("mine")
    old = server.reports / "sluice-report-20200101T000000.000Z-1.json"
    old.write_text("{}")
    link = server.reports / "sluice-heap-20200101T000000.000Z-1.xml"
    link.symlink_to(server.reports / others[0])
    written = [order(server, "snapshot")["files"] for _ in range(13)]
    left = set(report_files(server))
    expected = {Path(path).name for files in written[-10:] for path in files}
    assert left == expected | set(others) | {link.name}
    assert (server.reports / others[0]).read_text() == "mine"


@pytest.mark.parametrize("name", ["trim", "cleanup", "snapshot"])
def test_a_body_that_would_not_be_heard_is_refused(launch, name):
    server = launch()
    for body in ('{"level": "elevated"}', "[]", "all"):
        assert_problem(server.get(f"/api/memory/{name}", BEARER, "POST", body), 400, "bad-order")
    assert server.get("/api/memory/events?format=json").json()["events"] == [] and report_files(server) == []
    assert server.get(f"/api/memory/{name}", BEARER, "POST", "{}").status == 200


def test_snapshots_at_once_do_not_overwrite(launch):
    server = launch()
    connections = [server.connection() for _ in range(5)]
    for connection in connections:
        connection.request("POST", "/api/memory/snapshot", headers=BEARER)
    files = [path for connection in connections for path in json.loads(connection.getresponse().read())["files"]]
    assert len(set(files)) == 10 and all(Path(path).stat().st_size > 0 for path in files)


def test_a_folder_that_is_gone_is_named(launch):
    server = launch()
    server.reports.rmdir()
    answer = server.get("/api/memory/snapshot", BEARER, "POST")
    detail = assert_problem(answer, 500, "report-not-written")
    assert str(server.reports) in detail and "health.report-dir" in detail and "No such file" in detail
    server.reports.mkdir()
    assert len(order(server, "snapshot")["files"]) == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small file system")
def test_a_full_folder_is_named_and_left_clean(launch):
    server = launch()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(server.reports)], capture_output=True).returncode:
        pytest.skip("mount is not allowed here")
    try:
        (server.reports / "filler").write_bytes(b"x" * 4096)
        detail = assert_problem(server.get("/api/memory/snapshot", BEARER, "POST"), 500, "report-not-written")
        assert "No space left" in detail and str(server.reports) in detail
        assert report_files(server) == ["filler"]
        (server.reports / "filler").unlink()
        assert_problem(server.get("/api/memory/snapshot", BEARER, "POST"), 500, "report-not-written")  # the heap's file does not fit
    finally:
        subprocess.run(["umount", str(server.reports)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can serve as somebody else")
def test_a_folder_of_somebody_else_is_named_at_the_start(launch, tmp_path, token_file):
    for path in [tmp_path, *tmp_path.parents][:3]:
        path.chmod(0o755)
    server = launch(user="nobody")
    wait_for(lambda: "health.report-dir: user" in server.log() and "Permission denied" in server.log(), 10, "a warning")
    assert "Permission denied" in assert_problem(server.get("/api/memory/snapshot", BEARER, "POST"), 500, "report-not-written")


def test_a_folder_that_never_was_is_an_error_of_the_configuration(sluice, tmp_path):
    (tmp_path / "file").write_text("")
    for value, fault in ((tmp_path / "nothing", "No such file"), (tmp_path / "file", "Not a directory")):
        checked = sluice({"health.report-dir": str(value), "hosts": {"default": {"paths": {"/": {"health.api": "ON"}}}}}, start=False).check()
        assert checked.returncode != 0 and fault in checked.stderr and str(value) in checked.stderr


def test_the_default_folder_is_the_systems(sluice, token_file, tmp_path):
    folder = tmp_path / "tmpdir"
    folder.mkdir()
    config = {"health.admin-token": str(token_file), "hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}}
    server = sluice(config, env={"TMPDIR": folder})
    assert {Path(path).parent for path in order(server, "snapshot")["files"]} == {folder}


# --- SIGUSR2


def test_sigusr2_writes_the_same_and_serving_goes_on(launch):
    server = launch()
    server.process.signal(signal.SIGUSR2)
    wait_for(lambda: "SIGUSR2: wrote" in server.log(), 10, "the files")
    assert_files(sorted((str(path) for path in server.reports.iterdir()), reverse=True), server.worker().pid)
    assert server.get("/api/health").status == 200
    before = len(report_files(server))
    server.process.signal(signal.SIGUSR2)
    wait_for(lambda: len(report_files(server)) == before + 2, 10, "two more files")


def test_sigusr2_tells_of_a_folder_that_is_gone(launch):
    server = launch()
    server.reports.rmdir()
    server.process.signal(signal.SIGUSR2)
    wait_for(lambda: "SIGUSR2: cannot open the folder" in server.log(), 10, "the reason")
    assert server.get("/api/health").status == 200


def test_a_storm_of_signals_is_some_files(launch):
    server = launch()
    for _ in range(200):
        server.process.signal(signal.SIGUSR2)
        assert server.get("/api/health").status == 200
    wait_for(lambda: server.log().count("SIGUSR2: wrote") >= 1, 10, "files")
    order(server, "snapshot")  # behind those of most signals
    # a file is there for a moment before the oldest goes
    wait_for(lambda: len([name for name in report_files(server) if "-report-" in name]) <= 10, 5, "the oldest have gone")


def test_with_a_master_the_signal_goes_to_the_worker(launch):
    server = launch(mode="master")
    worker = wait_for(server.worker, 10, "a worker")
    worker.signal(signal.SIGUSR2)
    wait_for(lambda: "SIGUSR2: wrote" in server.log(), 10, "the files")
    assert server.process.is_alive() and server.worker().pid == worker.pid
    assert all(int(NAME.fullmatch(name)[2]) == worker.pid for name in report_files(server))


# --- entries


def entries(server, query=""):
    answer = server.get(f"/api/cache/entries{query}", BEARER)
    assert answer.status == 200, (answer, answer.body)
    return answer.json()


def test_entries_are_the_largest_that_there_are(launch, noisy):
    server = launch(noisy)
    fill(server)
    listed = entries(server, "?n=200")
    cached = image_cache(server)
    assert listed["scanned"] == cached["entries"] == len(listed["entries"]) and listed["sort"] == "bytes"
    sizes = [entry["bytes"] for entry in listed["entries"]]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) <= cached["bytes"]
    assert [entry["class"] for entry in listed["entries"]].count("source") == 40
    assert all(noisy.url("/noise") in entry["key"] for entry in listed["entries"])
    assert all(0 <= entry["age_seconds"] < 60 and 0 < entry["ttl_seconds"] <= 3600 for entry in listed["entries"])
    assert [entry["bytes"] for entry in entries(server, "?n=3")["entries"]] == sizes[:3]
    assert len(entries(server)["entries"]) == 20


def test_entries_by_age_and_hits(launch, noisy):
    server = launch(noisy)
    urls = fill(server)
    for _ in range(5):
        assert is_hit(server.get(urls[7]))
    top = entries(server, "?sort=hits&n=1")["entries"][0]
    assert "noise3.png" in top["key"] and "w=240" in top["key"] and top["hits"] >= 3
    ages = [entry["age_seconds"] for entry in entries(server, "?sort=age&n=200")["entries"]]
    assert ages == sorted(ages, reverse=True)


def test_entries_answer_wrong_questions(launch):
    server = launch()
    assert entries(server) == {"entries": [], "sort": "bytes", "scanned": 0}
    for query in ("?n=0", "?n=201", "?n=-1", "?n=x", "?n=", "?sort=key", "?sort=", "?n=1&sort=Bytes"):
        detail = assert_problem(server.get(f"/api/cache/entries{query}", BEARER), 400, "bad-query")
        assert "200" in detail and "hits" in detail


# --- who may


ORDERS = ("trim", "cleanup", "snapshot")


def test_strangers_may_not(launch, sluice):
    server = launch()
    for name in ORDERS:
        assert_problem(server.get(f"/api/memory/{name}", {}, "POST"), 401, "unauthorized")
        assert server.get(f"/api/memory/{name}", BEARER).status == 405
    assert_problem(server.get("/api/cache/entries"), 401, "unauthorized")
    assert report_files(server) == []
    without = sluice({"hosts": {"default": {"paths": {"/api": {"health.api": "ON"}}}}})
    for name in ORDERS:
        assert_problem(without.get(f"/api/memory/{name}", BEARER, "POST"), 404, "unknown-route")

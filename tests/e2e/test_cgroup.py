"""A server in a memory cgroup of its own: the budget, and what of the group's memory counts. Skipped where no group can be made."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import pictures
from cgroups import MemoryGroup
from clients import metrics
from harness import wait_for

MIB = 1 << 20
LIMIT = 256 * MIB

# reads and writes a file of so many bytes over and over, so that its pages become active; says how often it has done so
FLOOD = """
import os, sys
path, size, synchronous = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "sync"
block, fd = b"x" * (1 << 20), os.open(path, os.O_RDWR | os.O_CREAT)
while True:
    for write in (True, False, False, False):
        os.lseek(fd, 0, os.SEEK_SET)
        for _ in range(size >> 20):
            os.write(fd, block) if write else os.read(fd, len(block))
        if write and synchronous:
            os.fsync(fd)
    print("round", flush=True)
"""

# takes memory and keeps it until its input ends
HOLD = """
import os, sys
what, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if what == "anonymous":
    held = bytearray(os.urandom(1 << 20)) * (size >> 20)
else:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for _ in range(size >> 20):
        os.write(fd, b"x" * (1 << 20))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group():
    with MemoryGroup(LIMIT) as group:
        yield group


@pytest.fixture
def serve(group, sluice):
    """serve(settings) starts a server in the group."""

    def start(settings=None, **options):
        paths = {"/images": {"image.origin": str(pictures.tests())}, "/api": {"health.api": "ON"}}
        paths["/metrics"] = {"health.prometheus": "ON"}
        fixed = {"pressure.dwell": "300ms", "pressure.dwell-critical": "500ms"}
        return sluice({**fixed, **(settings or {}), "hosts": {"default": {"paths": paths}}}, **{"group": group, **options})

    return start


@contextlib.contextmanager
def script(group, text, *args):
    """A Python process in the group, killed at the end."""
    command = [sys.executable, "-c", text, *map(str, args)]
    with group.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def folder_on(kind):
    """A folder on a disk (page cache that can be dropped) or on tmpfs (memory)."""
    for base in ("/dev/shm",) if kind == "tmpfs" else ("/var/tmp", "/tmp", "."):
        done = subprocess.run(["stat", "-f", "-c", "%T", base], capture_output=True, text=True)
        if done.returncode == 0 and (done.stdout.strip() == "tmpfs") == (kind == "tmpfs"):
            with tempfile.TemporaryDirectory(dir=base) as folder:
                yield Path(folder)
            return
    pytest.skip(f"there is no folder on {kind} here")


def memory(server):
    return server.get("/api/health").json()["memory"]


def test_auto_budget_is_95_percent_of_the_limit(serve, group):
    server = serve()
    assert memory(server)["budget_bytes"] == LIMIT // 100 * 95 + LIMIT % 100 * 95 // 100
    assert memory(server)["group_limit_bytes"] == LIMIT
    assert "budget 243 MiB (auto)" in server.log()
    assert server.process.pid in group.pids()


def test_a_limit_further_up_counts(serve, group):
    with MemoryGroup(None, parent=group) as inner:
        server = serve(group=inner)
        assert memory(server)["budget_bytes"] == LIMIT // 100 * 95 + LIMIT % 100 * 95 // 100
        assert memory(server)["group_limit_bytes"] == LIMIT
        server.stop()


def test_a_larger_budget_is_cut(serve):
    server = serve({"pressure.budget": "1GiB"})
    assert memory(server)["budget_bytes"] == LIMIT // 100 * 95 + LIMIT % 100 * 95 // 100
    lines = [line for line in server.log().splitlines() if "limited" in line and "pressure.budget of" in line]
    assert len(lines) == 1
    assert re.search(r"1024\.0 MiB is limited to 243\.2 MiB, 95 % .* limit of 256\.0 MiB", lines[0]), lines


def test_a_smaller_budget_stays(serve):
    server = serve({"pressure.budget": "200MiB"})
    assert memory(server)["budget_bytes"] == 200 * MIB
    assert "pressure.budget of" not in server.log()


@pytest.mark.parametrize("synchronous", ["sync", "lazy"])
def test_page_cache_does_not_raise_the_level(serve, group, synchronous):
    server = serve()
    before = memory(server)
    with folder_on("disk") as folder, script(group, FLOOD, folder / "a", 112 * MIB, synchronous) as flood:
        with script(group, FLOOD, folder / "b", 112 * MIB, synchronous) as other:
            wait_for(lambda: group.usage_bytes() > 0.95 * LIMIT, 30, "page cache fills the group")
            for process in (flood, other):
                for _ in range(12):
                    assert process.stdout.readline() == "round\n"
            assert group.usage_bytes() > 0.9 * LIMIT  # the plain figure is at emergency
            # most of it is active, which an ordinary "usage less inactive_file" would count
            stat, prefix = group.stat(), "total_" if group.version == 1 else ""
            assert stat[prefix + "active_file"] > 0.4 * LIMIT
            after = memory(server)
            assert after["level"] == "normal" and after["group_bytes"] < 0.7 * LIMIT
    assert "pressure: " not in server.log()  # at no moment of it
    assert after["peak_resident_bytes"] < before["peak_resident_bytes"] + 32 * MIB
    assert group.oom_kills() == 0


@pytest.mark.parametrize("what", ["tmpfs", "anonymous"])
def test_memory_of_others_in_the_group_raises_the_level(serve, group, what):
    server = serve()
    assert memory(server)["level"] == "normal"
    with folder_on("tmpfs") if what == "tmpfs" else contextlib.nullcontext(Path("/")) as folder:
        used = memory(server)["group_bytes"]
        with script(group, HOLD, what, int(0.86 * LIMIT - used) // MIB * MIB, folder / "held") as holder:
            assert holder.stdout.readline() == "held\n"
            wait_for(lambda: memory(server)["level"] == "high", 10, "the level rises")
            now = memory(server)
            assert 0.8 * LIMIT < now["group_bytes"] < LIMIT and now["resident_bytes"] < 0.5 * LIMIT
            assert now["decided_by"] == "group" and abs(now["ratio"] - now["group_bytes"] / LIMIT) < 0.001
            health = server.get("/api/health").json()
            assert health["status"] == "degraded" and "the memory cgroup has reached" in health["reasons"][0]
            values = metrics(server)
            assert values["sluice_pressure_group_limit_bytes"] == LIMIT
            assert values["sluice_pressure_group_bytes"] > 0.8 * LIMIT
            assert values["sluice_pressure_failed_group_reads_total"] == 0
    wait_for(lambda: memory(server)["level"] == "normal", 20, "it falls again")
    assert group.oom_kills() == 0


def test_a_limit_that_changes_is_noticed(serve, group):
    server = serve()
    group.set_limit(512 * MIB)
    wait_for(lambda: memory(server)["group_limit_bytes"] == 512 * MIB, 10, "the new limit")
    # 40 % of the old limit are 80 % of half of it
    with script(group, HOLD, "anonymous", int(0.43 * LIMIT - memory(server)["group_bytes"]) // MIB * MIB, "-") as holder:
        assert holder.stdout.readline() == "held\n"
        group.set_limit(LIMIT // 2)
        wait_for(lambda: memory(server)["level"] in ("high", "degraded"), 10, "the level rises")


def test_watch_variable_wakes_the_sampler(serve, tmp_path):
    fifo = tmp_path / "watch"
    os.mkfifo(fifo)
    server = serve(env={"MEMORY_PRESSURE_WATCH": str(fifo)})
    with open(fifo, "wb", buffering=0) as watch:
        # once a second without it; the pause between two that were woken is 25 ms
        def woken():
            before = metrics(server)["sluice_pressure_samples_total"]
            watch.write(b"x")
            return wait_for(lambda: metrics(server)["sluice_pressure_samples_total"] > before, 10, "a sample")

        began = time.monotonic()
        for _ in range(30):
            assert woken()
        assert time.monotonic() - began < 25, "30 samples took as long as they do without a reason"

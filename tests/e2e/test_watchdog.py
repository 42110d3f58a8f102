"""The watchdog beside a coordinator that really hangs: its thread, and no other, is stopped with ptrace(2)."""

import contextlib
import ctypes
import os
from pathlib import Path

import pytest

from clients import metrics
from harness import MODULE, compile_c, wait_for

MIB = 1 << 20
BUDGET = 512 * MIB
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


def thread_named(process, name):
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name}")


@contextlib.contextmanager
def stopped(thread):
    """Stops one thread for the time of the block; its process goes on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, thread, None, None) != 0:
        pytest.skip(f"a thread cannot be stopped here: ptrace: {os.strerror(ctypes.get_errno())}")
    assert libc.ptrace(PTRACE_INTERRUPT, thread, None, None) == 0
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, thread, None, None)


@pytest.fixture(scope="session")
def ballast(tmp_path_factory):
    return compile_c(Path(__file__).parent / "modules" / "ballast.c", tmp_path_factory.mktemp("modules") / "ballast.so")


@pytest.fixture
def server(sluice, ballast, tmp_path):
    (tmp_path / "a.txt").write_text("a file")
    paths = {"/files": {"file.dir": str(tmp_path)}, "/api": {"health.api": "ON"}, "/metrics": {"health.prometheus": "ON"}}
    config = {"load-module": [str(MODULE), str(ballast)], "pressure.budget": BUDGET}
    config.update({"pressure.dwell": "300ms", "pressure.dwell-critical": "500ms"})
    config.update({"pressure.watchdog-period": "100ms", "pressure.watchdog-deadline": "1500ms", "pressure.sample-period": "500ms"})
    config["pressure.exempt"] = ["/api/health", "/metrics", "/ballast"]
    return sluice({**config, "hosts": {"default": {"paths": {**paths, "/ballast": {"ballast": "ON"}}}}}, module=None)


def hold(server, ratio, rest=0):
    """Brings a server whose resident set is `rest` by itself to that part of the budget; 0 takes all ballast away."""
    assert server.get(f"/ballast?{max(0, int(ratio * BUDGET) - rest) // MIB}").status == 200


def health(server):
    return server.get("/api/health").json()


def test_the_gate_shuts_and_opens_although_the_coordinator_hangs(server):
    assert server.get("/files/a.txt").status == 200
    rest = server.rss_bytes()
    with stopped(thread_named(server.process, "sluice-pressure")):
        hold(server, 0.92, rest)
        wait_for(lambda: server.get("/files/a.txt").status == 503, 20, "the gate shuts")
        now = health(server)
        assert (now["memory"]["level"], now["watchdog"]["stands_in"]) == ("critical", True)
        assert now["watchdog"]["failures"] == 1
        assert metrics(server)['sluice_pressure_events_total{level="critical"}'] == 0  # it is not the coordinator that did it
        hold(server, 0.97, rest)
        wait_for(lambda: "watchdog: every cache was flushed" in server.log(), 20, "the last resort")
        hold(server, 0)
        wait_for(lambda: server.get("/files/a.txt").status == 200, 20, "the gate opens again")
    wait_for(lambda: not health(server)["watchdog"]["stands_in"], 20, "the coordinator works again")
    assert "watchdog: the coordinator works again" in server.log()
    hold(server, 0.92, rest)
    wait_for(lambda: "watchdog: at critical: told" in server.log(), 20, "the coordinator does it by itself")
    assert health(server)["watchdog"]["failures"] == 1
    assert metrics(server)["sluice_pressure_watchdog_interventions_total"] >= 2
    hold(server, 0)
    wait_for(lambda: server.get("/files/a.txt").status == 200, 20, "and back")


def test_nothing_is_said_while_all_is_well(server):
    wait_for(lambda: health(server)["watchdog"]["checks"] > 20, 20, "20 checks")
    assert health(server)["watchdog"]["failures"] == health(server)["watchdog"]["interventions"] == 0
    assert "watchdog: " not in server.log()

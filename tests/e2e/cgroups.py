"""Memory cgroups that a test makes for itself: v1 and v2, nested, with a limit, and what the kernel says happened in them.

    with MemoryGroup(256 << 20) as group:            # pytest.skip() with the reason where the kernel does not let us
        done = group.popen(["build/h2o-sluice", "-c", "h2o.conf"])
        ...
        assert group.oom_kills() == 0 and group.peak_bytes() < 250 << 20
                                                     # at the end: what still runs in it is killed, and it is removed

A group is made below the one this process is in (v2: below the nearest one that hands the memory controller on), so limits that
already hold here keep holding. Swap is forbidden in it: a limit that swap softens is none. Everything that is charged to the group
counts in its figures, page cache too; for a process's own peak ask /proc/PID/status (VmHWM).
"""

import errno
import itertools
import os
import signal
import subprocess
import time
from pathlib import Path

_REMOVAL_DEADLINE_S = 10
_numbers = itertools.count()


class Unavailable(Exception):
    """No memory cgroup can be made here; says why."""


def _mounts():
    """(file system type, root, mount point, super options) of every cgroup mount."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield kind, left.split()[3], Path(left.split()[4]), options.split(",")


def _own_paths():
    """hierarchy -> path: "memory" for v1's, "" for v2's."""
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _below(mount, root, path):
    """The folder of a group, where the mount may begin at a group other than the root."""
    relative = os.path.relpath(path, root)
    folder = mount / relative
    return folder if not relative.startswith("..") and folder.is_dir() else mount


def _words(path):
    return path.read_text().split()


def _write_if_there(path, text):
    if path.exists():
        path.write_text(text)


def _v2_parent(folder, mount):
    """The nearest group, from one's own up, that children with a memory limit can be made in."""
    while True:
        if "memory" in _words(folder / "cgroup.controllers"):
            control = folder / "cgroup.subtree_control"
            if "memory" not in _words(control):
                try:
                    control.write_text("+memory")
                except OSError:
                    pass  # it has processes of its own, or is not ours
            if "memory" in _words(control):
                return folder
        if folder == mount:
            raise Unavailable("no group of the v2 hierarchy above this process hands the memory controller on")
        folder = folder.parent


def _find_parent():
    """(version, folder to make groups in)"""
    mounts, own = list(_mounts()), _own_paths()
    for kind, root, mount, options in mounts:
        if kind == "cgroup" and "memory" in options and "memory" in own:
            return 1, _below(mount, root, own["memory"])
    for kind, root, mount, _ in mounts:
        if kind == "cgroup2" and "" in own and "memory" in _words(mount / "cgroup.controllers"):
            return 2, _v2_parent(_below(mount, root, own[""]), mount)
    raise Unavailable("no hierarchy with the memory controller is mounted")


class MemoryGroup:
    """One memory cgroup. limit_bytes: None is none. parent: another MemoryGroup, whose limit holds too; in v2 no process can be put
    into it then. Raises Unavailable, or skips the running test (skip=True, the default)."""

    def __init__(self, limit_bytes, parent=None, skip=True):
        try:
            self._make(limit_bytes, parent)
        except (Unavailable, OSError) as problem:
            if not skip:
                raise Unavailable(str(problem)) from problem
            import pytest  # a benchmark does without

            pytest.skip(f"no memory cgroup can be made here: {problem}")

    def _make(self, limit_bytes, parent):
        self.version, folder = (parent.version, parent.folder) if parent else _find_parent()
        if parent and self.version == 2:
            (folder / "cgroup.subtree_control").write_text("+memory")
        self.folder = folder / f"sluice-test-{os.getpid()}-{next(_numbers)}"
        self.folder.mkdir()
        try:
            self.set_limit(limit_bytes)
        except OSError:
            self.folder.rmdir()
            raise

    def _path(self, v1, v2):
        return self.folder / (v1 if self.version == 1 else v2)

    def set_limit(self, limit_bytes):
        """Changes the limit; OSError (EBUSY) if what is in use cannot be brought below it."""
        none = "max" if self.version == 2 else "-1"
        wanted = none if limit_bytes is None else str(limit_bytes)
        self.limit_bytes = limit_bytes
        if self.version == 2:
            (self.folder / "memory.max").write_text(wanted)
            _write_if_there(self.folder / "memory.swap.max", "0")
            return
        memory_and_swap = self.folder / "memory.memsw.limit_in_bytes"
        try:
            _write_if_there(memory_and_swap, wanted)  # must never be below the other: first when it grows
        except OSError as problem:
            if problem.errno != errno.EINVAL:
                raise
        (self.folder / "memory.limit_in_bytes").write_text(wanted)
        _write_if_there(memory_and_swap, wanted)

    # --- processes

    def inside(self, command):
        """The command line that runs `command` inside the group; the process is the same, so its id is the command's."""
        script = 'echo $$ >"$0" && exec "$@"'
        return ["sh", "-c", script, str(self.folder / "cgroup.procs"), *map(str, command)]

    def popen(self, command, **options):
        """A Popen that is in the group when this returns."""
        process = subprocess.Popen(self.inside(command), **options)
        while process.poll() is None and process.pid not in self.pids():
            time.sleep(0.001)
        return process

    def pids(self):
        return [int(word) for word in _words(self.folder / "cgroup.procs")]

    # --- what happened

    def usage_bytes(self):
        """All that is charged now, page cache included."""
        return int(self._path("memory.usage_in_bytes", "memory.current").read_text())

    def peak_bytes(self):
        """The most that was ever charged, page cache included; None where the kernel does not tell (v2 before 5.19)."""
        path = self._path("memory.max_usage_in_bytes", "memory.peak")
        return int(path.read_text()) if path.exists() else None

    def oom_kills(self):
        """How many processes of the group the kernel has killed for want of memory."""
        lines = self._path("memory.oom_control", "memory.events").read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def limit_hits(self):
        """How often an allocation found the limit reached; page cache alone does that too, and is then reclaimed."""
        if self.version == 1:
            return int((self.folder / "memory.failcnt").read_text())
        return int(dict(line.split() for line in (self.folder / "memory.events").read_text().splitlines())["max"])

    def stat(self):
        """memory.stat as a dict."""
        pairs = (line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return {name: int(value) for name, value in pairs}

    # --- end

    def remove(self):
        """Kills what still runs in the group, and removes it; its child groups must be gone."""
        end = time.monotonic() + _REMOVAL_DEADLINE_S
        while self.folder.exists():
            for pid in self.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                self.folder.rmdir()
            except OSError as problem:  # a process that was killed leaves a moment later
                if problem.errno != errno.EBUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

"""ipx with sharp, the image server of the Node.js world, as torture.py runs it: its own command line, sources from the same origin.

Its packages are installed into build/ipx by npm, in the versions below; where there is no node or no npm, the comparison is left out.
"""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import servers

FOLDER = servers.ROOT / "build/ipx"
PACKAGES = {"ipx": "3.1.1", "sharp": "0.34.5"}
PROGRAM = FOLDER / "node_modules/ipx/bin/ipx.mjs"
START_DEADLINE_S = 30


def install():
    """Returns what is missing, or None when ipx is there."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"there is no {program}"
    package = json.dumps({"private": True, "dependencies": PACKAGES}, indent=1)
    file = FOLDER / "package.json"
    if PROGRAM.exists() and file.exists() and file.read_text() == package:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    file.write_text(package)
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, capture_output=True, text=True)
    return None if done.returncode == 0 and PROGRAM.exists() else f"npm install failed: {done.stderr.strip()[-300:]}"


def version():
    return ", ".join(f"{name} {number}" for name, number in PACKAGES.items()) + ", node " + subprocess.run(
        ["node", "--version"], capture_output=True, text=True).stdout.strip().lstrip("v")  # fmt: skip


class Ipx:
    """ipx in a MemoryGroup. `url` is the pattern of storm.Order."""

    def __init__(self, folder, group, origin):
        self.group, self.log, self.port = group, Path(folder, "ipx.log"), servers.free_port()
        self.url = f"/w_{{width}},q_{{quality}}/{origin.url('/')}{{path}}"
        self.popen = None

    def __enter__(self):
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        with open(self.log, "wb") as log:
            self.popen = self.group.popen(
                ["node", PROGRAM, "serve", "--domains", "127.0.0.1", *where],
                cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_DEADLINE_S
        while not re.search(rb":%d" % self.port, self.log.read_bytes()):
            if self.popen.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"ipx does not start; it wrote:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)
        return self

    def is_alive(self):
        return self.popen.poll() is None

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

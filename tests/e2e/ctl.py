"""What the tests of sluicectl share: the program, a server that answers as scripted, and a terminal to run it on.

    with Stub({"/api/health": healthy()}) as stub:
        assert ctl("-u", stub.url, "status").returncode == 0
"""

import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import harness

CTL = harness.BUILD / "sluicectl"
MIB = 1 << 20


def ctl_environment(**env):
    """Of this process, without what sluicectl looks at. A sanitizer is in the program itself, not preloaded."""
    names = ("SLUICE_URL", "SLUICE_TOKEN_FILE", "NO_COLOR", "LD_PRELOAD")
    kept = {name: value for name, value in os.environ.items() if name not in names and not name.lower().endswith("_proxy")}
    return {**kept, "TZ": "UTC", "TERM": "xterm", "ASAN_OPTIONS": "detect_leaks=1", **{name: str(value) for name, value in env.items()}}


def ctl(*words, env=None, **options):
    """Runs it to its end: a CompletedProcess with text."""
    return harness.run([CTL, *words], env=ctl_environment(**(env or {})), stdin=subprocess.DEVNULL, **options)


def healthy(**changes):
    """An answer of /api/health."""
    cache = {"bytes": 100 * MIB, "capacity_bytes": 512 * MIB, "limit_bytes": 512 * MIB, "pinned_bytes": 0, "free_bytes": 0, "entries": 160, "hit_ratio": 0.834}
    return {
        "status": "healthy", "version": "0.1.0", "uptime_seconds": 7385.2,
        "memory": {"level": "normal", "resident_bytes": 300 * MIB, "peak_resident_bytes": 400 * MIB, "budget_bytes": 1000 * MIB, "ratio": 0.3,
                   "accounted_bytes": 150 * MIB},
        "caches": {"image": cache, "metadata": {**cache, "bytes": MIB}},
        "operations": {"fetches": 1, "transforms": 2, "transforms_queued": 3, "requests": 4},
        "queue": {"waiting_bytes": 5 * MIB}, "shed_total": 6, "reasons": [], "recommendations": [], **changes,
    }  # fmt: skip


def problem(status, code, detail):
    return status, {"type": "about:blank", "status": status, "title": "x", "detail": detail, "code": code}


class Stub:
    """Answers GET and POST of a path with what `answers` has for it: an object, (status, object or bytes), or a list of events (type,
    object) that stay open behind the last. Anything else is a 404 of Sluice. `requests` has (method, path, headers, body)."""

    def __init__(self, answers):
        self.answers, self.requests, self.connections, self.over = answers, [], [], threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                stub.connections.append(self.connection)

            def do_GET(self):
                length = int(self.headers.get("Content-Length", 0))
                stub.requests.append((self.command, self.path, self.headers, self.rfile.read(length)))
                answer = stub.answers.get(self.path, stub.answers.get(self.path.partition("?")[0], problem(404, "unknown-route", "no such route")))
                if isinstance(answer, list):
                    return self.stream(answer)
                status, body = answer if isinstance(answer, tuple) else (200, answer)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def stream(self, events):
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for number, (type_, data) in enumerate(events, 1):
                    self.wfile.write(f": comment\nid: {number}\nevent: {type_}\ndata: {json.dumps(data)}\n\n".encode())
                if not events or events[-1][0] != "end":
                    stub.over.wait()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has been closed
        self.server.server_close()

    def paths(self):
        return [path for _, path, _, _ in self.requests]


class Terminal:
    """A program on a pseudo-terminal of its own, whose screen is followed as far as sluicectl uses it."""

    def __init__(self, *words, rows=24, columns=80, env=None):
        self.rows, self.columns, self.bytes = rows, columns, b""
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.popen = subprocess.Popen([CTL, *map(str, words)], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                      env=ctl_environment(**(env or {})), start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip

    def resize(self, rows, columns, tell=True):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))  # the kernel sends SIGWINCH

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                self.bytes += os.read(self.master, 65536)
            except OSError:
                return

    def type(self, keys):
        os.write(self.master, keys)

    def last_screen(self):
        """The lines of the last complete drawing."""
        self.read()
        drawn = self.bytes.split(b"\033[H")[1:]
        complete = [part.partition(b"\033[J")[0] for part in drawn if b"\033[J" in part]
        text = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", complete[-1].decode()) if complete else ""
        return re.split("\r+\n", text)

    def wait_for_screen(self, condition, what):
        return harness.wait_for(lambda: condition(self.last_screen()) and self.last_screen(), 10, f"{what}: {self.last_screen()}")

    def end(self):
        """The exit status, once it has ended."""

        def has_ended():
            self.read()
            return self.popen.poll() is not None

        harness.wait_for(has_ended, 10, "sluicectl ends")
        self.read()
        return self.popen.returncode

    def is_as_before(self):
        """Whether the last of what was switched on the terminal is off again, and its modes are those from before."""
        text = self.bytes
        pairs = ((b"\033[?1049h", b"\033[?1049l"), (b"\033[?25l", b"\033[?25h"), (b"\033[?7l", b"\033[?7h"))
        return all(text.rfind(on) < text.rfind(off) for on, off in pairs) and termios.tcgetattr(self.slave) == self.before

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        os.close(self.master)
        os.close(self.slave)

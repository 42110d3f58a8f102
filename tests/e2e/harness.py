"""Runs a stock h2o through build/h2o-sluice, for end-to-end tests.

    def test_something(sluice):                     # the fixture of conftest.py: starts, and stops at the end
        server = sluice({"hosts": {"default": {"paths": {"/": {"file.dir": "/var/www"}}}}})
        assert server.get("/index.html").status == 200

A configuration is a dict, whose keys keep their order, or YAML text. In both cases it follows a prelude that loads the module,
listens on a free port of 127.0.0.1, and sets the number of threads and the user. No test waits by sleeping: see wait_for().

Environment:
    SLUICE_BUILD          build folder to test (default: build)
    SLUICE_EXTRA_PRELOAD  preloaded too, such as "libasan.so.8:libubsan.so.1" for a build with SANITIZER=address,undefined. As the
                          launcher puts its loader first, ASAN_OPTIONS needs verify_asan_link_order=0, which is added here, with
                          leak detection off, for h2o frees little on its way out. What ASAN_OPTIONS says comes after, and wins.
"""

import http.client
import io
import json
import os
import pwd
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("SLUICE_BUILD", "build")).resolve()
LAUNCHER = BUILD / "h2o-sluice"
MODULE = BUILD / "sluice.so"

START_DEADLINE_S = 20
STOP_DEADLINE_S = 15
READY_LINE = "is ready to serve requests"


def wait_for(condition, deadline_s, what):
    """Calls condition() until it returns something true, and returns that; AssertionError when deadline_s seconds have gone by."""
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        time.sleep(0.01)


def free_port():
    """A port nobody listens on, from below the range that outgoing connections are given theirs from."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def compile_c(source, output, *flags):
    """Compiles one C file; a shared object if output ends in .so."""
    shared = ["-shared", "-fPIC"] if str(output).endswith(".so") else []
    includes = ["-I", str(ROOT), "-I", str(ROOT / "module")]
    command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-DH2O_USE_LIBUV=0", "-Wall", "-Werror", *includes, *shared]
    subprocess.run([*command, "-o", str(output), str(source), *flags], check=True)
    return output


def environment(extra=None):
    """The environment of a server: this one's, the sanitizer's part, and `extra` (None as a value removes the variable)."""
    env = dict(os.environ)
    preload = env.get("SLUICE_EXTRA_PRELOAD")
    if preload:
        env["LD_PRELOAD"] = preload
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:detect_leaks=0:" + env.get("ASAN_OPTIONS", "")
    env.update(extra or {})
    return {name: str(value) for name, value in env.items() if value is not None}


def run(command, **options):
    """subprocess.run with text output captured and a deadline."""
    return subprocess.run([str(word) for word in command], **{"capture_output": True, "text": True, "timeout": 60, **options})


class Response:
    """status, headers (look-ups ignore case; get_all() for repeated ones) and body (bytes) of an answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Response {self.status} {dict(self.headers)} {len(self.body)} bytes>"


def config_text(config, port, module=MODULE, threads=2, settings=None):
    """The text of a configuration: the prelude, then `config`. `module` is loaded in the first line, unless it is None or False;
    `settings` are further global directives of the prelude."""
    prelude = {"load-module": str(module)} if module else {}
    prelude["listen"] = {"host": "127.0.0.1", "port": port}
    prelude["num-threads"] = threads
    if os.getuid() == 0:
        # h2o would change to nobody, who may not enter a test's folder; without root it cannot change at all
        prelude["user"] = pwd.getpwuid(0).pw_name
    prelude.update(settings or {})
    if isinstance(config, str):
        return "".join(f"{key}: {json.dumps(value)}\n" for key, value in prelude.items()) + config
    return json.dumps({**prelude, **config}, indent=2)  # JSON is YAML


class Process:
    """What /proc says about a process, which need not be a child. One that got the number later does not count as it."""

    def __init__(self, pid):
        self.pid = pid
        self.born = self._started_at()

    def _stat(self):
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None

    def is_alive(self):
        stat = self._stat()
        return stat is not None and stat[0] not in "ZX" and int(stat[19]) == self.born

    def _started_at(self):
        return int((self._stat() or ["0"] * 20)[19])

    def cpu_seconds(self):
        stat = self._stat()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def children(self):
        """Live children, the oldest first."""
        pids = []
        for task in Path(f"/proc/{self.pid}/task").glob("*/children"):
            try:
                pids += map(int, task.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                pass
        return sorted(filter(Process.is_alive, map(Process, pids)), key=lambda child: (child.born, child.pid))

    def signal(self, number):
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


class Sluice:
    """One server: its files in `folder`, its own process group, 127.0.0.1:`port`.

    mode: None (a worker alone), "master" or "daemon". env: variables to add, or to remove (None). module: path of the module that
    the first line loads; False loads none. launcher: the program to start. group: a MemoryGroup (cgroups.py) to start it in.
    """

    def __init__(self, folder, config, *, mode=None, env=None, module=MODULE, threads=2, port=None, launcher=LAUNCHER, group=None):
        self.folder, self.mode, self.launcher, self.group = Path(folder), mode, launcher, group
        self.port = port or free_port()
        self.env = environment(env)
        self.config_file = self.folder / "h2o.conf"
        self.pid_file = self.folder / "h2o.pid"
        self.stderr_file = self.folder / "stderr.log"
        self.error_log = self.folder / "error.log"
        settings = {"pid-file": str(self.pid_file), "error-log": str(self.error_log)} if mode == "daemon" else {}
        self.config_file.write_text(config_text(config, self.port, module, threads, settings))
        self.popen = None
        self.process = None

    # --- life

    def command(self, *options):
        return [str(self.launcher), "-c", str(self.config_file), *options]

    def check(self):
        """What -t says of the configuration: a CompletedProcess."""
        return run(self.command("-t"), env=self.env)

    def start(self):
        """Returns when requests are served; AssertionError with what the server wrote if it ends before."""
        command = self.command(*(["-m", self.mode] if self.mode else []))
        if self.group:
            command = self.group.inside(command)
        with open(self.stderr_file, "wb") as stderr:
            self.popen = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True
            )
        self.process = Process(self.popen.pid)
        try:
            if self.mode == "daemon":
                self._follow_daemon()
            wait_for(self._is_ready, START_DEADLINE_S, "h2o is ready")
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            self.kill()
            raise AssertionError(f"{problem}; it wrote:\n{self.log()}") from None
        return self

    def _follow_daemon(self):
        status = self.popen.wait(START_DEADLINE_S)
        assert status == 0, f"h2o -m daemon exited with {status}"
        pid = wait_for(lambda: self.pid_file.exists() and self.pid_file.read_text().strip(), START_DEADLINE_S, "a pid file")
        self.process = Process(int(pid))

    def _is_ready(self):
        # a connection alone proves little: the port is open before the configuration has been read to its end
        status = self.popen.poll()
        assert self.mode == "daemon" or status is None, f"h2o exited with {status} while starting"
        if READY_LINE not in self.log():
            return False
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def worker(self):
        """The Process that serves: in the modes with a master, the youngest worker, or None between two."""
        if not self.mode:
            return self.process
        children = self.process.children()
        return children[-1] if children else None

    def cpu_seconds(self):
        return self.worker().cpu_seconds()

    def rss_bytes(self):
        return self.worker().rss_bytes()

    def log(self):
        """All that the server wrote so far, be it to stderr or to its error log."""
        return "".join(path.read_text(errors="replace") for path in (self.stderr_file, self.error_log) if path.exists())

    def _is_gone(self):
        # poll() also reaps, where the server is a child
        self.popen.poll()
        return not self.process.is_alive()

    def stop(self):
        """SIGTERM, and SIGKILL after a deadline. Returns True if the former was enough."""
        if self.process is None:
            return True
        family = [self.process, *self.process.children()]
        self.process.signal(signal.SIGTERM)
        try:
            wait_for(self._is_gone, STOP_DEADLINE_S, "h2o ends on SIGTERM")
            graceful = True
        except AssertionError:
            graceful = False
        self.kill(family)
        return graceful

    def kill(self, family=None):
        """SIGKILL to the server and to what it started."""
        for process in family or [self.process, *self.process.children()]:
            if process.is_alive():
                process.signal(signal.SIGKILL)
        wait_for(self._is_gone, STOP_DEADLINE_S, "h2o ends on SIGKILL")
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        self.assert_sanitizers_are_silent()

    def assert_sanitizers_are_silent(self):
        """One that finds something may go on, and a leak is only found at the end: neither shows in an answer."""
        found = re.findall(r"^.*(?:ERROR: \w+Sanitizer|: runtime error: ).*$", self.log(), re.M)
        assert not found, (found, self.log())

    # --- requests

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    def connection(self, timeout=30):
        """A kept-alive HTTP/1.1 connection, for request() below or for what http.client can do."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path, headers=None, method="GET", body=None, http2=False, timeout=30):
        """One request on a connection of its own; redirects are not followed. http2 speaks it in clear text, by prior knowledge."""
        if http2:
            return self._get_http2(path, headers or {}, method, body, timeout)
        connection = self.connection(timeout)
        try:
            return request(connection, path, headers, method, body)
        finally:
            connection.close()

    def _get_http2(self, path, headers, method, body, timeout):
        options = ["--http2-prior-knowledge", "--include", "--max-time", timeout]
        options += ["--head"] if method == "HEAD" else ["--request", method]
        for name, value in headers.items():
            options += ["--header", f"{name}: {value}" if value != "" else f"{name};"]
        if body is not None:
            options += ["--data-binary", "@-"]
        done = self.curl(path, *options, input=body)
        assert done.returncode == 0, f"curl exited with {done.returncode}: {done.stderr.decode()}"
        answer = io.BytesIO(done.stdout)
        version, status = answer.readline().split()[:2]
        assert version == b"HTTP/2", version
        return Response(int(status), http.client.parse_headers(answer), answer.read())

    def curl(self, path, *options, **run_options):
        """curl on a path of this server: a CompletedProcess with bytes."""
        return run(["curl", "-sS", "--path-as-is", "--globoff", *options, self.url(path)], **{"text": False, **run_options})


def request(connection, path, headers=None, method="GET", body=None):
    """One request on an http.client connection, answered to the end."""
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return Response(answer.status, answer.headers, answer.read())

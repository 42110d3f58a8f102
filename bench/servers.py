"""The servers that the benchmarks compare: each from the distribution's package, configured to do one thing with one worker or two.

Each runs in a folder of its own, on a free port of 127.0.0.1, and on the cores it is given. All are given what their manuals recommend for
static answers over kept-alive connections: no access log, no limit on the requests of a connection, sendfile where there is one.
"""

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_DEADLINE_S = 20
STOP_DEADLINE_S = 10


def program(name):
    """The path of an installed program, or None. Servers live where PATH does not always lead."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of a process, all its threads, and its living descendants."""
    total = 0.0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(cpu_seconds(int(child)) for child in (task / "children").read_text().split())
    return total


class Server:
    """`pattern` makes the path of a picture from its name; the files to serve are in `files`."""

    name = package = binary = None
    version_option = "-v"
    pattern = "/{}.jpg"

    def __init__(self, folder, files, cores, workers=1, upstream=None):
        self.folder = Path(folder) / self.name.replace(" ", "-")
        self.folder.mkdir()
        self.files, self.cores, self.workers, self.upstream = Path(files), set(cores), workers, upstream
        self.port = free_port()
        self.popen = None

    @classmethod
    def missing(cls):
        """What to install or to build before this server can run, or None."""
        return None if program(cls.binary) else f"package {cls.package}"

    def version(self):
        done = subprocess.run([program(self.binary), self.version_option], capture_output=True, text=True)
        return (done.stdout + done.stderr).splitlines()[0]

    def path(self, name):
        return self.pattern.format(name)

    def url(self, name):
        return f"http://127.0.0.1:{self.port}{self.path(name)}"

    def config_file(self, text):
        path = self.folder / "config"
        path.write_text(text)
        return str(path)

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.folder / "log", "wb") as log:
            self.popen = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
            )
        end = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            if self.popen.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{self.name} does not start; it wrote:\n{(self.folder / 'log').read_text(errors='replace')}")
            time.sleep(0.02)
        return self

    def _answers(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.popen is None:
            return
        self.popen.terminate()
        try:
            self.popen.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen = None

    def cpu_seconds(self):
        return cpu_seconds(self.popen.pid)


class FileDir(Server):
    """A stock h2o that serves a folder: what every ratio is about."""

    name, package, binary = "file.dir", "h2o", "h2o"

    def config(self):
        return {"hosts": {"default": {"paths": {"/": {"file.dir": str(self.files)}}}}}

    def command(self):
        listen = {"listen": {"host": "127.0.0.1", "port": self.port}, "num-threads": self.workers}
        lines = {**self.first_lines(), **listen, "user": getpass.getuser(), **self.config()}
        return [self.launcher(), "-c", self.config_file(json.dumps(lines, indent=1))]

    def launcher(self):
        return program(self.binary)

    def first_lines(self):
        return {}


class FileDirAgain(FileDir):
    """The same once more: the difference between the two is what the noise of this run can do."""

    name = "file.dir again"


class Upstream(FileDir):
    name = "upstream"


class Sluice(FileDir):
    name = "sluice"
    module, starter = ROOT / "build/sluice.so", ROOT / "build/h2o-sluice"

    @classmethod
    def missing(cls):
        unbuilt = [str(path.relative_to(ROOT)) for path in (cls.module, cls.starter) if not path.exists()]
        return super().missing() or (f"{' and '.join(unbuilt)}: run make" if unbuilt else None)

    def launcher(self):
        return str(self.starter)

    def first_lines(self):
        return {"load-module": str(self.module), "pressure.budget": "1GB", "image-cache.capacity": "512MB"}

    def config(self):
        return {"hosts": {"default": {"paths": {"/images": {"image.origin": str(self.files / "sources")}}}}}


class Constant(FileDir):
    """h2o with a handler that answers the same bytes without looking anything up: the ceiling of this host. Reads them at its start,
    and is asked for the paths that Sluice is asked for."""

    name = "constant"
    module = ROOT / "build/bench-constant.so"

    @classmethod
    def missing(cls):
        return super().missing() or (None if cls.module.exists() else f"{cls.module.relative_to(ROOT)}: run make bench")

    def launcher(self):
        return str(Sluice.starter)

    def first_lines(self):
        return {"load-module": str(self.module)}

    def config(self):
        return {"hosts": {"default": {"paths": {"/images": {"constant.file": str(self.files / "picture.jpg")}}}}}


NGINX = """
worker_processes {workers};
daemon off;
{user}
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    types {{ image/jpeg jpg; }}
    access_log off;
    sendfile on;
    tcp_nopush {nopush};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    open_file_cache max=20000 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {outside}
    server {{
        listen 127.0.0.1:{port}{protocol};
        location / {{ {location} }}
    }}
}}
"""


class Nginx(Server):
    """nginx that serves a folder."""

    name, package, binary = "nginx", "nginx-light", "nginx"
    protocol = ""  # " http2" speaks that by prior knowledge, and then nothing else
    nopush = "on"

    def parts(self):
        return {"outside": "", "location": f"root {self.files};"}

    def command(self):
        user = "user root;" if os.getuid() == 0 else ""
        mode = {"protocol": self.protocol, "nopush": self.nopush, "workers": self.workers}
        text = NGINX.format(user=user, folder=self.folder, port=self.port, **mode, **self.parts())
        return [program(self.binary), "-e", "stderr", "-p", str(self.folder), "-c", self.config_file(text)]


class NginxCache(Nginx):
    """nginx that keeps what another server answered."""

    name = "nginx proxy_cache"

    def parts(self):
        zone = "levels=1:2 keys_zone=pictures:32m inactive=1d max_size=1g use_temp_path=off"
        outside = f"proxy_cache_path {self.folder}/cache {zone};"
        location = f"proxy_pass http://127.0.0.1:{self.upstream.port}; proxy_cache pictures; proxy_cache_valid 200 1d;"
        return {"outside": outside, "location": location}


class Varnish(Server):
    name, package, binary, version_option = "varnish", "varnish", "varnishd", "-V"

    def command(self):
        vcl = f'vcl 4.1;\nbackend default {{ .host = "127.0.0.1"; .port = "{self.upstream.port}"; }}\n'
        return [
            *(program(self.binary), "-F", "-j", "none", "-n", str(self.folder / "work"), "-f", self.config_file(vcl)),
            *("-a", f"127.0.0.1:{self.port}", "-s", "malloc,512m"),
            *("-p", f"thread_pools={self.workers}", "-p", "default_ttl=86400", "-p", "feature=+http2"),
        ]


ALL = (Sluice, Constant, FileDir, FileDirAgain, Nginx, NginxCache, Varnish)

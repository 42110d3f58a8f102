"""nginx and Varnish as caches in front of a scripted origin, set up so that what the origin says decides as far as they let it.

    with peers.Nginx(folder, origin.port, closed_port) as nginx:
        answer = nginx.get("/a.png")

What the origin does not say is set alike: pictures keep for an hour, 404 and 410 for a minute; expired answers are kept so that they
can be revalidated. Everything below /refused goes to `closed_port`, where nobody listens.
"""

import os
import subprocess

import harness

STOP_DEADLINE_S = 10

NGINX = """
worker_processes 1;
daemon off;
{user}
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache levels=1:2 keys_zone=pictures:4m inactive=1h use_temp_path=off;
    proxy_cache pictures;
    proxy_cache_valid 200 1h;
    proxy_cache_valid 404 410 1m;
    proxy_cache_revalidate on;
    proxy_cache_lock on;
    proxy_cache_background_update on;
    proxy_http_version 1.1;
    if_modified_since before;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
        location /refused/ {{ proxy_pass http://127.0.0.1:{closed}; }}
    }}
}}
"""

VARNISH = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
backend refused {{ .host = "127.0.0.1"; .port = "{closed}"; }}
sub vcl_recv {{
    if (req.url ~ "^/refused/") {{ set req.backend_hint = refused; }}
}}
sub vcl_backend_response {{
    if (beresp.status != 200) {{ set beresp.keep = 0s; }}
}}
"""


class Peer:
    """A cache at 127.0.0.1:`port`, in a process group of its own."""

    name = None

    def __init__(self, folder, origin_port, closed_port):
        self.folder, self.origin_port, self.closed_port = folder / self.name, origin_port, closed_port
        self.folder.mkdir()
        self.port = harness.free_port()
        self.popen = None

    def write_config(self, text, **values):
        path = self.folder / "conf"
        path.write_text(text.format(folder=self.folder, port=self.port, origin=self.origin_port, closed=self.closed_port, **values))
        return str(path)

    def command(self):
        raise NotImplementedError

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def _answers(self):
        assert self.popen.poll() is None, f"{self.name} exited with {self.popen.returncode}:\n{self.log()}"
        try:
            self.get("/is-there-anybody", timeout=2)
        except OSError:
            return False
        return True

    def __enter__(self):
        with open(self.folder / "log", "wb") as log:
            self.popen = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        harness.wait_for(self._answers, harness.START_DEADLINE_S, f"{self.name} answers")
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        try:
            self.popen.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def connection(self, timeout=30):
        return harness.http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path, headers=None, method="GET", body=None, timeout=30):
        connection = self.connection(timeout)
        try:
            return harness.request(connection, path, headers, method, body)
        finally:
            connection.close()


class Nginx(Peer):
    name = "nginx"

    def command(self):
        config = self.write_config(NGINX, user="user root;" if os.getuid() == 0 else "")
        return ["nginx", "-e", "stderr", "-p", str(self.folder), "-c", config]


class Varnish(Peer):
    name = "varnish"

    def command(self):
        # neither grace nor transient storage: what is stale is revalidated, unless the origin allows otherwise
        times = ("default_ttl=3600", "default_grace=0", "default_keep=3600", "shortlived=0")
        return [
            *("varnishd", "-F", "-j", "none", "-n", str(self.folder / "work"), "-f", self.write_config(VARNISH)),
            *("-a", f"127.0.0.1:{self.port}", "-s", "malloc,64m", "-p", "thread_pools=1", "-p", "thread_pool_min=100"),
            *(word for time in times for word in ("-p", time)),
        ]

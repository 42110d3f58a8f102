"""A scripted HTTP origin: serves a folder, remembers what it was asked, and misbehaves per path as told.

    with Origin(pictures.tests()) as origin:
        origin.hold("/rgb.png")
        ...                                        # ask the server under test for it, ten times at once
        origin.wait_for_request("/rgb.png")        # the first has arrived, and is being held
        origin.release("/rgb.png")
        assert origin.count("/rgb.png") == 1

        origin.script("/slow.jpg", file="baseline.jpg", delay_s=3)
        origin.script("/gone.jpg", status=410)
        origin.chain("/hops", 3, "/rgb.png")       # /hops -> /hops/2 -> /hops/1 -> /rgb.png
        origin.loop("/loop")
        origin.script("/huge", size=10 << 30)      # streamed, never in memory
        origin.script("/short.jpg", file="baseline.jpg", stop_after=100, then="close")

A path is what stands before "?", as the client wrote it. What is not scripted is a file of the folder, or 404. One thread per
connection; every wait ends when the origin is stopped.
"""

import contextlib
import dataclasses
import mimetypes
import socket
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BLOCK = bytes(range(256)) * 256


@dataclasses.dataclass
class Script:
    """What a path answers. The body is `body`, or the file `file` of the folder, or `prefix` and then filler up to `size` bytes, or
    the file of the folder that the path names."""

    status: int = 200
    body: bytes = None
    file: str = None
    size: int = None
    prefix: bytes = b""
    content_type: str = None  # None: by the name; "": none
    headers: dict = dataclasses.field(default_factory=dict)
    location: str = None
    etag: str = None  # the two validators answer 304 to conditional requests
    last_modified: str = None
    length: object = "right"  # of Content-Length: "right", a number (a lie), "chunked", or "close" (neither; the end is the end)
    refuse: bool = False  # close without an answer
    reset: bool = False  # wherever the connection is closed early, by a reset
    delay_s: float = 0  # before the status line
    stop_after: int = None  # bytes of body, and then ...
    then: str = "stall"  # "stall" until release() or stop(), or "close"
    bytes_per_second: int = None
    times: int = None  # after so many answers the path is unscripted again


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: str
    headers: object  # look-ups ignore case
    at: float  # time.monotonic()
    sent: int = 0  # bytes of body, with those just being written
    finished: bool = False  # the answer went out as scripted; the client may know a little earlier: wait_for() it
    aborted: bool = False  # the client went away before


class Origin:
    """127.0.0.1:`port`. Everything here may be called from any thread."""

    def __init__(self, folder=None, port=0):
        self.folder = Path(folder).resolve() if folder else None
        self.scripts, self.held, self.requests, self.stopped = {}, set(), [], False
        self.peak = 0  # the most requests that were under way at once
        self.changed = threading.Condition()
        handler = type("BoundHandler", (_Handler,), {"origin": self})
        self.server = _Server(("127.0.0.1", port), handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        """Held and stalled answers break off."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()
        self.server.close_connections()
        self.thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def url(self, path="/"):
        return f"http://127.0.0.1:{self.port}{path}"

    # --- orders

    def script(self, path, **behaviour):
        """Replaces what `path` does; the fields of Script. Returns the Script, which may be changed later."""
        with self.changed:
            self.scripts[path] = Script(**behaviour)
            return self.scripts[path]

    def unscript(self, path):
        with self.changed:
            self.scripts.pop(path, None)

    def chain(self, path, hops, target, status=302):
        """`hops` redirects from `path` to `target`, which may be a URL of another server."""
        stations = [path, *(f"{path}/{left}" for left in range(hops - 1, 0, -1)), target]
        for here, there in zip(stations, stations[1:]):
            self.script(here, status=status, location=there)

    def loop(self, path, status=302):
        """`path` redirects to itself by way of another."""
        self.script(path, status=status, location=f"{path}/again")
        self.script(f"{path}/again", status=status, location=path)

    def hold(self, path):
        """Requests for `path` are noted, and then wait for release()."""
        with self.changed:
            self.held.add(path)

    def release(self, path):
        """Lets go who is held, and whose body stalls. Later requests for `path` are no longer held."""
        with self.changed:
            self.held.discard(path)
            if path in self.scripts and self.scripts[path].then == "stall":
                self.scripts[path].stop_after = None
            self.changed.notify_all()

    # --- observations

    def seen(self, path=None):
        """The requests so far, or those for one path, in the order of arrival."""
        with self.changed:
            return [request for request in self.requests if path is None or request.path == path]

    def count(self, path=None):
        return len(self.seen(path))

    def under_way(self):
        """How many requests are neither answered nor abandoned."""
        return sum(not request.finished and not request.aborted for request in self.seen())

    def wait_for(self, condition, timeout_s=10, what="the origin sees it"):
        """condition() is asked again after every event; AssertionError after `timeout_s`."""
        with self.changed:
            happened = self.changed.wait_for(condition, timeout_s)
            assert happened, f"not within {timeout_s} s: {what}; it saw {[request.path for request in self.requests]}"

    def wait_for_request(self, path, n=1, timeout_s=10):
        """Returns the n-th request for `path` when it has come."""
        self.wait_for(lambda: self.count(path) >= n, timeout_s, f"request {n} for {path}")
        return self.seen(path)[n - 1]

    def wait_for_abort(self, path, n=1, timeout_s=10):
        """Returns when n clients have left answers for `path` that were held, delayed, stalled or being sent."""
        self.wait_for(lambda: sum(request.aborted for request in self.seen(path)) >= n, timeout_s, f"{n} clients leave {path}")

    def forget(self):
        """Starts counting anew."""
        with self.changed:
            self.requests.clear()

    # --- for the handler

    def _note(self, request):
        with self.changed:
            self.requests.append(request)
            self.peak = max(self.peak, self.under_way())
            self.changed.notify_all()
            script = self.scripts.get(request.path)
            if script is not None and script.times is not None:
                script.times -= 1
                if script.times == 0:
                    del self.scripts[request.path]
            return script

    def _settle(self, request, **outcome):
        with self.changed:
            vars(request).update(outcome)
            self.changed.notify_all()

    def _wait_while(self, condition, connection, timeout_s=None):
        """Until the condition, asked under the lock, is false. BrokenPipeError if the client leaves or the origin stops."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        with self.changed:
            while condition() and (end is None or time.monotonic() < end):
                if self.stopped or _has_left(connection):
                    raise BrokenPipeError
                self.changed.wait(0.02 if end is None else max(0, min(0.02, end - time.monotonic())))


def _has_left(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, *arguments):
        self.connections, self.lock = set(), threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        with self.lock:
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.lock:
            self.connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self):
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """Clients that leave are a part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    origin = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, self.headers, time.monotonic())
        script = self.origin._note(request)
        try:
            self._play(request, script or Script())
            self.origin._settle(request, finished=True)
        except OSError:
            self.close_connection = True
            self.origin._settle(request, aborted=True)

    do_HEAD = do_GET

    def _play(self, request, script):
        self.origin._wait_while(lambda: request.path in self.origin.held, self.connection)
        if script.delay_s:
            self.origin._wait_while(lambda: True, self.connection, script.delay_s)
        if script.refuse:
            return self._break_off(script)
        if self._is_unchanged(script):
            return self._send_head(304, script, {})
        status, pieces, size = self._body(request.path, script)
        length = {"chunked": {"Transfer-Encoding": "chunked"}, "close": {"Connection": "close"}, "right": {"Content-Length": size}}
        self._send_head(status, script, length.get(script.length) or {"Content-Length": script.length}, request.path)
        if request.method != "HEAD" and status not in (204, 304):
            self._send_body(request, script, pieces)

    def _is_unchanged(self, script):
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return script.etag is not None and script.etag in [tag.strip() for tag in tags.split(",")]
        return script.last_modified is not None and self.headers.get("If-Modified-Since") == script.last_modified

    def _body(self, path, script):
        """status, the pieces of the body, and its size"""
        if script.size is not None:
            return script.status, _filler(script.prefix, script.size), script.size
        body = script.body
        if body is None and (script.file or script.status == 200):
            body = self._read_file(script.file or urllib.parse.unquote(path.lstrip("/")))
            if body is None:
                return 404, [b"no such file\n"], 13
        body = body or b""
        return script.status, [body[at : at + len(BLOCK)] for at in range(0, len(body), len(BLOCK))], len(body)

    def _read_file(self, name):
        if self.origin.folder is None:
            return None
        file = (self.origin.folder / name).resolve()
        return file.read_bytes() if self.origin.folder in file.parents and file.is_file() else None

    def _send_head(self, status, script, length, path=""):
        self.send_response(status)
        kind = script.content_type
        if kind is None:
            kind = mimetypes.guess_type(script.file or path)[0] or "application/octet-stream"
        headers = {"Content-Type": kind, "Location": script.location, "ETag": script.etag, "Last-Modified": script.last_modified}
        for name, value in {**headers, **length, **script.headers}.items():
            if value not in (None, ""):
                self.send_header(name, str(value))
        self.end_headers()

    def _send_body(self, request, script, pieces):
        chunked = script.length == "chunked"
        for piece in pieces:
            while piece:
                room = None if script.stop_after is None else script.stop_after - request.sent
                if room is not None and room <= 0:
                    if script.then == "close":
                        return self._break_off(script)
                    self.origin._wait_while(lambda: script.stop_after is not None, self.connection)
                    continue
                part = piece[:room]
                self.origin._settle(request, sent=request.sent + len(part))
                self._send_part(part, chunked)
                piece = piece[len(part) :]
                if script.bytes_per_second:
                    self.origin._wait_while(lambda: True, self.connection, len(part) / script.bytes_per_second)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        if script.length not in ("right", "chunked"):
            self.close_connection = True

    def _send_part(self, part, chunked):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)

    def _break_off(self, script):
        self.close_connection = True
        if script.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()


def _filler(prefix, size):
    yield prefix[:size]
    left = size - len(prefix)
    while left > 0:
        yield BLOCK[: min(left, len(BLOCK))]
        left -= len(BLOCK)

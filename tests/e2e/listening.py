"""Clients of /api/memory/events, with a parser of server-sent events that follows the HTML standard and knows nothing of the server.

    with Listener(server) as listener:
        first = listener.wait_for(lambda event: event.type == "state")
        listener.events      # all so far

Silent is one that asks and then never reads.
"""

import collections
import contextlib
import json
import socket
import subprocess
import threading

from harness import wait_for

ROUTE = "/api/memory/events"
Event = collections.namedtuple("Event", "id type data")


class Parser:
    """Bytes in, events out. `last_id` is what a browser would send as Last-Event-ID."""

    def __init__(self):
        self.rest, self.events, self.comments, self.retry, self.last_id = b"", [], [], None, ""
        self._type, self._data = "", []

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode().removesuffix("\r"))

    def _take(self, line):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            self._dispatch()
        elif name == "":
            self.comments.append(value)
        elif name == "id":
            self.last_id = value
        elif name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry":
            self.retry = int(value)
        else:
            raise AssertionError(f"unknown field: {line}")

    def _dispatch(self):
        if self._data:
            self.events.append(Event(self.last_id, self._type or "message", json.loads("\n".join(self._data))))
        self._type, self._data = "", []


class Listener:
    """A client that reads all the time, on a thread of its own: HTTP/1.1 by http.client, or HTTP/2 by curl."""

    def __init__(self, server, query="", headers=None, http2=False):
        self.parser, self.ended, self.problem = Parser(), threading.Event(), None
        self.connection = self.curl = None
        if http2:
            options = [word for name, value in (headers or {}).items() for word in ("--header", f"{name}: {value}")]
            command = ["curl", "-sSN", "--http2-prior-knowledge", *options, server.url(ROUTE + query)]
            self.curl = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
            read = self.curl.stdout.read
        else:
            self.connection = server.connection(60)
            self.connection.request("GET", ROUTE + query, headers=headers or {})
            self.socket = self.connection.sock  # http.client lets go of it, as the answer ends with the connection
            self.response = self.connection.getresponse()
            self.headers = self.response.headers
            assert self.response.status == 200, self.response.read()
            read = self.response.read1
        self.thread = threading.Thread(target=self._run, args=(read,), daemon=True)
        self.thread.start()

    def _run(self, read):
        try:
            while data := read(1 << 16):
                self.parser.feed(data)
        except Exception as problem:  # a test asks for it, or hangs up
            self.problem = problem
        self.ended.set()

    @property
    def events(self):
        return self.parser.events

    def of_type(self, *types):
        return [event for event in list(self.events) if event.type in types]

    def wait_for(self, condition, what="an event", deadline_s=20):
        """The first event, of all so far and of those to come, that fulfils the condition."""
        return wait_for(lambda: next(filter(condition, list(self.events)), None), deadline_s, what)

    def wait_for_level(self, level):
        """The level change to `level`, if that is the last one so far."""
        wait_for(lambda: [event.data["to"] for event in self.of_type("level")][-1:] == [level], 20, f"the event of {level}")

    def close(self):
        if self.curl:
            self.curl.kill()
            self.curl.wait()
        else:
            with contextlib.suppress(OSError):  # the server may have been first
                self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)
        if not self.curl:
            self.response.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Silent:
    """A client that asks, reads the head of the answer, and nothing more; with as small a buffer as the kernel allows."""

    def __init__(self, server, query=""):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        self.socket.sendall(f"GET {ROUTE}{query} HTTP/1.1\r\nHost: default\r\n\r\n".encode())
        assert self.socket.recv(12) == b"HTTP/1.1 200"

    def is_cut(self):
        """Whether the server has ended the connection, as the kernel knows without reading."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            port = f":{self.socket.getsockname()[1]:04X}"
            return not any(line.split()[1].endswith(port) and line.split()[3] == "01" for line in list(table)[1:])

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

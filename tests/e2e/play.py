"""Small plays for caches: what an origin answers and what clients ask, as lines of text, and what happened, as lines of text.

    Case("max-age", "one: Cache-Control: max-age=100", "ask", "ask", agreed=["200 one < GET", "200 one"])

A line of a play is one of
    one: HEADER;; HEADER        from now on the origin has picture `one` (or `two`) with these headers; validators answer 304
    STATUS: HEADER;; HEADER     it answers with that status and no picture
    broken: HEADER;; HEADER     it sends half of picture `one`, and closes the connection a little later
    closed                      it closes the connection without an answer. As to try again on another connection is anybody's right, equal
                                requests count once from here on
    ask [METHOD] HEADER;; ...   a client asks. The line of what happened is "STATUS WHAT < REQUESTS": WHAT is the picture that came, "part",
                                or nothing; REQUESTS are those that reached the origin meanwhile, with ?etag and ?time where they were
                                conditional. ask-age: the answer's Age follows, in tens of seconds. ask-background: a
                                request that the cache makes for itself meanwhile is waited for
    ask-until WHAT HEADER;; .. asks until WHAT comes; the requests are those since the line before
    crowd N                     N clients ask at once, and the origin does not answer before all have. Of the requests that reach it only
                                one and many are told apart
    later                       until what was fresh for a second is stale; no line of what happened
A header with an @ in front of its value is a date so many seconds from now: "Expires: @-10".
"""

import email.utils
import http.client
import queue
import struct
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from harness import Response, wait_for

STALE_AFTER_S = 2.5  # nginx counts whole seconds
SIZES = {"one": (16, 9), "two": (24, 9)}


def png(width, height):
    """A grey picture, written without a library."""
    rows = b"".join(b"\0" + bytes((x * 9 + y * 5) % 256 for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PICTURES = {name: png(*size) for name, size in SIZES.items()}


@dataclass
class Case:
    title: str
    play: tuple
    agreed: list = None  # what happens with both peers; or:
    nginx: list = None
    varnish: list = None
    sluice: object = None  # None: as agreed; "nginx", "varnish": like that one; or what happens
    why: str = ""  # Sluice does something else than both, or follows one of them: what and why, for the README
    refused: bool = False  # nobody listens at the origin's port

    def expected(self, name):
        own = getattr(self, name)
        return self.expected(own) if isinstance(own, str) else own or self.agreed


def parse_headers(text):
    pairs = (part.partition(":")[::2] for part in text.split(";;") if part.strip())
    return {name.strip(): _date(value.strip()) for name, value in pairs}


def _date(value):
    return email.utils.formatdate(time.time() + int(value[1:]), usegmt=True) if value.startswith("@") else value


class Stage:
    """One play with one cache, at a path of its own."""

    def __init__(self, server, origin, path):
        self.server, self.origin, self.path = server, origin, path
        self.noted = 0
        self.closed = False
        self.happened = []

    def perform(self, play):
        for line in play:
            self._step(line)
        return self.happened

    def _step(self, line):
        word, _, rest = line.partition(" ")
        if word.endswith(":") or word == "closed":
            self._script(word.rstrip(":"), parse_headers(rest))
        elif word == "later":
            time.sleep(STALE_AFTER_S)
        elif word == "crowd":
            self.happened.append(self._crowd(int(rest)))
        elif word == "ask-until":
            what, _, rest = rest.partition(" ")
            self.happened.append(self._ask_until(what, parse_headers(rest)))
        else:
            method, _, others = rest.partition(" ")
            method, rest = (method, others) if method.isupper() else ("GET", rest)
            self.happened.append(self._ask(method, parse_headers(rest), word))

    def _script(self, word, headers):
        etag, time_ = headers.pop("ETag", None), headers.pop("Last-Modified", None)
        common = {"headers": headers, "etag": etag, "last_modified": time_, "content_type": "image/png"}
        if word in PICTURES:
            self.origin.script(self.path, body=PICTURES[word], **common)
        elif word == "broken":
            self.origin.script(self.path, body=PICTURES["one"], stop_after=40, then="close", bytes_per_second=40, **common)
        elif word == "closed":
            self.origin.script(self.path, refuse=True)
            self.closed = True
        else:
            self.origin.script(self.path, status=int(word), body=b"", headers=headers)

    def _requests(self):
        """Those that reached the origin since the last call."""
        seen = self.origin.seen(self.path)[self.noted :]
        self.noted += len(seen)
        described = [" < " + _describe(request) for request in seen]
        return "".join(dict.fromkeys(described) if self.closed else described)

    def _ask(self, method, headers, word):
        try:
            answer = self.server.get(self.path, headers, method, b"x" if method == "POST" else None)
        except (http.client.HTTPException, OSError):
            return "cut off" + self._requests()
        if word == "ask-background":
            self.origin.wait_for_request(self.path, self.noted + 1)
        age = f" age={_tens(answer.headers['Age'])}" if word == "ask-age" else ""
        return _what(answer) + age + self._requests()

    def _ask_until(self, what, headers):
        answer = wait_for(lambda: self._get_if(what, headers), 10, f"{what} from {self.path}")
        return _what(answer) + self._requests()

    def _get_if(self, what, headers):
        answer = self.server.get(self.path, headers)
        return answer if _what(answer).endswith(what) else None

    def _crowd(self, count):
        self.origin.hold(self.path)
        answers = [None] * count
        clients = queue.SimpleQueue()

        def ask(i):
            connection = self.server.connection()
            connection.request("GET", self.path)
            clients.put(connection.sock.getsockname()[1])
            answer = connection.getresponse()
            answers[i] = _what(Response(answer.status, answer.headers, answer.read()))
            connection.close()

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        ports = {clients.get() for _ in threads}
        wait_for(lambda: not _unread(self.server.port) & ports, 10, "all requests have been read")
        self.origin.wait_for_request(self.path)
        self.origin.release(self.path)
        for thread in threads:
            thread.join()
        requests = self._requests().split(" < ")[1:]
        reached = f"{requests[0]}" if len(requests) == 1 else "many " + ", ".join(sorted(set(requests)))
        return " ".join(f"{answers.count(what)} x {what}" for what in sorted(set(answers))) + f" < {reached}"


def _unread(port):
    """Ports of clients, still connected, whose bytes the server at that port has not taken from the kernel yet."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port_of = lambda address: int(address.partition(":")[2], 16)
    waiting = (words for words in sockets if words[3] == "01" and not words[4].endswith(":00000000"))
    return {port_of(words[2]) for words in waiting if port_of(words[1]) == port}


def _describe(request):
    conditions = {"?etag": "If-None-Match", "?time": "If-Modified-Since", "?range": "Range"}
    return request.method + "".join(mark for mark, name in conditions.items() if request.headers[name])


def _tens(age):
    return "none" if age is None else int(age) // 10 * 10


def _what(answer):
    if answer.status == 206:
        return f"206 {len(answer.body)} bytes"
    width = struct.unpack("!I", answer.body[16:20])[0] if answer.body.startswith(b"\x89PNG") else None
    names = [name for name, size in SIZES.items() if size[0] == width]
    return " ".join([str(answer.status), *names])

"""Clients that do what libraries do not: ask without waiting, hang up, reset streams; and what the server says of itself meanwhile.

    asked = [Asked(server, "/images/a.jpg?w=100") for _ in range(100)]
    wait_for(lambda: operations(server)["requests"] == 100, 10, "all are waiting")
    asked[0].hang_up()
    answers = [one.answer() for one in asked[1:]]

    connection = Http2(server)
    streams = [connection.ask("/images/a.jpg?w=100") for _ in range(100)]
    connection.reset(streams[0])
    assert connection.answer(streams[1]).status == 200
"""

import contextlib
import re
import socket
import struct
import threading

import harness

ANSWER_DEADLINE_S = 60


class Asked:
    """One request on a connection of its own, sent and not yet answered."""

    def __init__(self, server, path, method="GET", headers=None):
        self.connection = server.connection(ANSWER_DEADLINE_S)
        self.connection.request(method, path, headers=headers or {})

    def answer(self):
        answer = self.connection.getresponse()
        body = answer.read()
        self.connection.close()
        return harness.Response(answer.status, answer.headers, body)

    def hang_up(self, reset=False):
        """Closes the connection, in the orderly way or by a reset."""
        if reset:
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


# --- HTTP/2 in clear text, by prior knowledge

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_STATUS_OF_INDEX = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
_HUFFMAN_DIGITS = {"00000": "0", "00001": "1", "00010": "2"} | {f"{24 + n - 2:06b}": str(n) for n in range(3, 10)}


class Http2:
    """One connection, used by one thread. Of an answer it keeps the status and the body; only h2o's way to encode the status is
    understood. Windows are as large as can be, unless `window` is given, after which the server has to stop."""

    def __init__(self, server, window=(1 << 31) - 1):
        self.socket = socket.create_connection(("127.0.0.1", server.port), ANSWER_DEADLINE_S)
        self.input, self.last, self.answers, self.ended, self.resets = b"", -1, {}, set(), set()
        settings = struct.pack("!HIHI", 1, 0, 4, window)  # no dynamic table, initial window
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, settings))
        self.socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, struct.pack("!I", (1 << 31) - 1 - 65535)))

    def ask(self, path, method="GET"):
        """Returns the number of the new stream."""
        self.last += 2
        fields = ((b":method", method.encode()), (b":scheme", b"http"), (b":authority", b"default"), (b":path", path.encode()))
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
        self.answers[self.last] = harness.Response(None, {}, b"")
        self.socket.sendall(_frame(_HEADERS, _END_HEADERS | _END_STREAM, self.last, block))
        return self.last

    def reset(self, stream):
        self.socket.sendall(_frame(_RST_STREAM, 0, stream, struct.pack("!I", 8)))
        self.answers.pop(stream)

    def widen(self, stream, count):
        """Lets the server send so many bytes more than the window."""
        self.socket.sendall(_frame(_WINDOW_UPDATE, 0, stream, struct.pack("!I", count)))

    def answer(self, stream):
        """Waits for the end of the stream; AssertionError if the server resets it."""
        while stream not in self.ended:
            self._read_frame()
        assert stream not in self.resets, f"stream {stream} was reset"
        return self.answers[stream]

    def wait_for_bytes(self, stream, count):
        while len(self.answers[stream].body) < count:
            self._read_frame()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self, size):
        while len(self.input) < size:
            more = self.socket.recv(1 << 18)
            assert more, "the server closed the connection"
            self.input += more
        taken, self.input = self.input[:size], self.input[size:]
        return taken

    def _read_frame(self):
        head = self._read(9)
        size, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        payload = self._read(size)
        answer = self.answers.get(stream)
        if kind == _SETTINGS and not flags & _ACK:
            self.socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self.socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _HEADERS and answer:
            answer.status = _status(payload)
        elif kind == _DATA and answer:
            answer.body += payload
        elif kind == _RST_STREAM:
            self.resets.add(stream)
        assert kind != _GOAWAY, f"GOAWAY: {payload}"
        if kind == _RST_STREAM or (kind in (_HEADERS, _DATA) and flags & _END_STREAM):
            self.ended.add(stream)


def _frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(value):
    """A string of HPACK, not compressed."""
    if len(value) < 127:
        return bytes((len(value),)) + value
    assert len(value) < 127 + 128
    return bytes((127, len(value) - 127)) + value


def _status(block):
    while block[0] >> 5 == 1:  # a change of the table's size
        block = block[1:]
    if block[0] & 0x80:
        return _STATUS_OF_INDEX[block[0] & 0x7F]
    assert block[0] & 0x0F == 8 or block[0] & 0x3F == 8, block
    size = block[1] & 0x7F
    if not block[1] & 0x80:
        return int(block[2 : 2 + size])
    bits, digits, code = "".join(f"{byte:08b}" for byte in block[2 : 2 + size]), "", ""
    for bit in bits:
        code += bit
        if code in _HUFFMAN_DIGITS:
            digits, code = digits + _HUFFMAN_DIGITS[code], ""
    return int(digits)


# --- what the server says


def operations(server):
    """What /api/health says is under way."""
    return server.get("/api/health").json()["operations"]


def metrics(server):
    """All of /metrics as {'name{label="value"}': number}, without the label that repeats the name of the cache."""
    text = re.sub(r'\{cache="\w+"(,|\})', lambda end: "{" if end[1] == "," else "", server.get("/metrics").body.decode())
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.M)}


def left_over(server):
    """What a server without clients still holds on to: {} if nothing."""
    values = metrics(server)
    gauges = re.compile(r"sluice_(\w+_in_progress|transform_queued|pressure_(reserved|waiting|source_ahead)_bytes|pressure_waiting_operations|route_slots_in_use"
                        r"|route_waiting|image_cache_pinned_bytes|image_cache_detached_objects)")
    return {name: value for name, value in values.items() if value and gauges.match(name)}


def assert_settles(server, deadline_s=30):
    """Whatever was under way has ended: no request, fetch, transform, operation that waits, slot, reserved or
    pinned byte, or object outside of the cache is left, and no count had to be set right."""
    with contextlib.suppress(AssertionError):
        harness.wait_for(lambda: not left_over(server), deadline_s, "")
    assert left_over(server) == {}
    assert metrics(server).get("sluice_pressure_healed_slots_total", 0) == 0, "the ledger was wrong"


class Background:
    """Runs _run() in a thread of its own while the block runs; at its end `stopped` is set, and the thread has ended."""

    def __init__(self):
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


class Prober(Background):
    """Asks for a path all the time, on a new connection each time and in a thread of its own.

    with Prober(server) as prober:
        ...
    assert prober.faults == [] and prober.count > 10
    """

    def __init__(self, server, path="/api/health", statuses=(200,), timeout_s=10, observe=None):
        self.server, self.path, self.statuses, self.timeout_s, self.observe = server, path, statuses, timeout_s, observe
        self.faults, self.count = [], 0
        super().__init__()

    def _run(self):
        while not self.stopped.wait(0.02):
            try:
                answer = self.server.get(self.path, timeout=self.timeout_s)
                if answer.status not in self.statuses:
                    self.faults.append(answer)
                if self.observe:
                    self.observe(answer)
            except Exception as problem:  # whatever it is, a client has seen it
                self.faults.append(problem)
            self.count += 1

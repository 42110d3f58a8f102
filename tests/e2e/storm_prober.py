#!/usr/bin/python3
"""Asks servers of 127.0.0.1 for one path each, all the time, and says how long each answer took: a process of its own in a storm.

    storm_prober.py NAME:PORT:PATH ...      until standard input ends; then prints a JSON object

One after the other, a new connection and a kept one by turns, every 20 ms or so. What cannot be answered in DEADLINE_S is a fault.
The prober asks for a higher priority than what it measures, and measures itself too: `late_ms` says how much later than asked for
it was woken, at the worst. It also answers, on a port of its own, with a constant (`control`): the latency of that, asked in the
same way, is what the machine itself adds.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time

PERIOD_S = 0.02
DEADLINE_S = 5
CONTROL = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Target:
    def __init__(self, name, port, path, may_keep=True):
        self.name, self.port, self.may_keep = name, port, may_keep
        self.request = f"GET {path} HTTP/1.1\r\nhost: default\r\n\r\n".encode()
        self.kept, self.turn, self.began_s = None, 0, time.monotonic()
        self.result = {"answers": 0, "statuses": {}, "faults": [], "worst_ms": 0.0, "latencies_ms": [], "slow": []}

    def ask(self):
        self.turn += 1
        keep = self.may_keep and self.turn % 2
        began = time.monotonic()
        try:
            status = self._ask_kept() if keep else self._ask_new()
        except (OSError, ValueError) as problem:
            self.kept = None
            self.result["faults"].append(f"{type(problem).__name__}: {problem} after {time.monotonic() - began:.3f} s")
            return
        took_ms = (time.monotonic() - began) * 1e3
        statuses = self.result["statuses"]
        statuses[status] = statuses.get(status, 0) + 1
        self.result["answers"] += 1
        self.result["latencies_ms"].append(round(took_ms, 2))
        if took_ms > 100:
            self.result["slow"].append([round(began - self.began_s, 2), round(took_ms), "kept" if keep else "new"])

    def _connect(self):
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)

    def _ask_kept(self):
        self.kept = self.kept or self._connect()
        return self._exchange(self.kept)

    def _ask_new(self):
        with self._connect() as sock:
            return self._exchange(sock)

    def _exchange(self, sock):
        sock.sendall(self.request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more(sock)
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = head.lower()
        size = int(fields.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < size:
            body += self._more(sock)
        if b"connection: close" in fields and sock is self.kept:
            self.kept = None
        return int(head.split()[1])

    def _more(self, sock):
        data = sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def summary(self):
        latencies = sorted(self.result.pop("latencies_ms"))
        if latencies:
            self.result["worst_ms"] = latencies[-1]
            self.result["p50_ms"], self.result["p99_ms"] = (latencies[len(latencies) * n // 100] for n in (50, 99))
        return self.result


def serve_control():
    """Runs in a process of its own until it is killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            with listener.accept()[0] as sock, contextlib.suppress(OSError):
                sock.recv(4096)
                sock.sendall(CONTROL)


def main(words):
    targets = [Target(name, int(port), path) for name, port, path in (word.split(":", 2) for word in words)]
    control = subprocess.Popen([sys.executable, __file__, "--control"], stdout=subprocess.PIPE)
    targets.append(Target("control", int(control.stdout.readline()), "/", may_keep=False))
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    os.set_blocking(0, False)
    late_ms = 0.0
    while sys.stdin.buffer.read(1) is None:
        due = time.monotonic() + PERIOD_S
        time.sleep(PERIOD_S)
        late_ms = max(late_ms, (time.monotonic() - due) * 1e3)
        for target in targets:
            target.ask()
    control.kill()
    control.wait()
    print(json.dumps({"late_ms": round(late_ms, 2), **{target.name: target.summary() for target in targets}}))


if __name__ == "__main__":
    serve_control() if sys.argv[1:] == ["--control"] else main(sys.argv[1:])

#!/usr/bin/python3
"""The clients of a storm (storm.py), a process of their own: an order as JSON on standard input, a report as JSON at the end.

The order has the fields of storm.Order. A connection has one role:

    asker    asks for one large picture after the other, each under a name of its own, and now and then for one that others ask
             for at the same time, for a small one, for one whose download stalls, or hangs up in the middle
    hitter   asks for small pictures that are in the cache, at a fixed pace
    slow     asks for a rendition of several megabytes and reads it at a few KB/s

A client that is refused waits for a moment (not for as long as Retry-After says) and goes on with the next picture.
"""

import asyncio
import collections
import contextlib
import json
import random
import re
import socket
import sys
import time
from pathlib import Path

ANSWER_DEADLINE_S = 120
AFTER_REFUSAL_S = 1
HIT_PERIOD_S = 0.05
SLOW_BYTES_PER_S = 48 << 10
SLOW_SHARE = HIT_SHARE = 16  # one connection of so many


class Gone(Exception):
    """Nobody listens any more."""


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def code(self):
        if self.fields.get("content-type") != "application/problem+json":
            return ""
        with contextlib.suppress(ValueError):
            return json.loads(self.body).get("code", "")
        return ""


def names_need_and_budget(answer):
    found = re.search(r"(\d+) MiB .*pressure\.budget \((\d+) MiB\)", json.loads(answer.body).get("detail", ""))
    return found is not None and int(found[1]) > 0


class Connection:
    """One kept connection; opened when it is needed."""

    def __init__(self, port, receive_bytes=None):
        self.port, self.receive_bytes, self.reader, self.writer = port, receive_bytes, None, None

    async def open(self):
        sock = socket.socket()
        sock.setblocking(False)
        if self.receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except ConnectionRefusedError:
            sock.close()
            raise Gone from None
        self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=self.receive_bytes or 1 << 18)

    async def send(self, path):
        if self.writer is None:
            await self.open()
        self.writer.write(f"GET {path} HTTP/1.1\r\nhost: default\r\n\r\n".encode())
        await self.writer.drain()

    async def head(self):
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        return int(lines[0].split()[1]), fields

    async def ask(self, path):
        await self.send(path)
        status, fields = await self.head()
        answer = Answer(status, fields, await self._body(fields))
        if fields.get("connection") == "close":
            self.hang_up()
        return answer

    async def _body(self, fields):
        if fields.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(fields.get("content-length", 0)))
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    def hang_up(self):
        if self.writer is not None:
            self.writer.transport.abort()
        self.reader = self.writer = None


class Storm:
    def __init__(self, order):
        self.order, self.port = order, order["port"]
        self.began, self.end = time.monotonic(), time.monotonic() + order["seconds"]
        self.serial, self.running, self.dead = 0, 0, False
        self.answers = collections.Counter()  # of "what status code"
        self.faults, self.kept, self.vague = [], [], 0
        self.pictures, self.worst_s, self.hung_up = collections.Counter(), 0.0, collections.Counter()
        self.kinds, self.weights = zip(*order["weights"].items(), strict=True)

    def is_over(self):
        return self.dead or time.monotonic() >= self.end

    def url(self, mode, file, options, serial=None):
        if serial is None:
            self.serial += 1
            serial = self.serial
        return self.order["url"].format(path=f"{mode}/{serial}/{file}", **options)

    # --- what is asked for

    def pick(self, chance):
        """(what it is, URL)"""
        number = chance.randrange(100)
        kind = chance.choices(self.kinds, self.weights)[0]
        file = chance.choice(self.order["files"][kind])
        options = {"width": self.order["width"], "quality": 80}
        for what, share in self.order["special"].items():
            if number < share:
                break
            number -= share
        else:
            return kind, self.url("plain", file, options)
        if what == "shared":  # one name for half a second: who asks meanwhile shares the work
            half_seconds = int((time.monotonic() - self.began) * 2)
            file = self.order["files"]["progressive-jpeg"][0]
            return what, self.url("plain", file, options, f"shared-{half_seconds}")
        if what.startswith("stall"):
            return what, self.url(what, file, options)
        if what == "small":
            return what, self.url("plain", chance.choice(self.order["small"]), {"width": 100, "quality": 80})
        return what, self.url("plain", file, options)

    # --- what came of it

    def note(self, what, path, answer, began):
        self.answers[f"{what} {answer.status} {answer.code()}".strip()] += 1
        self.worst_s = max(self.worst_s, time.monotonic() - began)
        fault = self.judge(what, answer)
        if fault:
            self.faults.append(f"{path}: {fault}")
        if answer.status == 413 and not names_need_and_budget(answer):
            self.vague += 1
        if answer.status == 200 and what in self.kinds:
            self.pictures[what] += 1
            if sum(self.pictures.values()) % self.order["keep_each"] == 1:
                self.kept.append(path)
                Path(self.order["keep"], f"{len(self.kept) - 1}").write_bytes(answer.body)

    def judge(self, what, answer):
        """What is wrong with an answer, or None."""
        fields, status = answer.fields, answer.status
        if status == 200:
            return None if fields.get("content-type", "").startswith("image/") and len(answer.body) > 100 else "no picture"
        if not answer.code():
            return f"{status} without a problem+json that has a code"
        if status == 503:
            seconds = fields.get("retry-after", "")
            if not seconds.isdigit() or seconds == "0":
                return "503 without Retry-After"
            return "503 that closes the connection" if fields.get("connection") == "close" else None
        if status == 413:
            return None if what in self.order["may_be_too_large"] else f"413 {answer.code()} for what fits"
        if what.startswith("stall") and status == 504:
            return None
        return f"{status} {answer.code()}"

    # --- the roles

    async def asker(self, number):
        chance = random.Random(f"{self.order['seed']} {number}")
        connection, left = Connection(self.port), self.order["requests"] or sys.maxsize
        while not self.is_over() and left:
            left -= 1
            what, path = self.pick(chance)
            if what == "hang-up":
                await connection.send(path)
                await asyncio.sleep(chance.uniform(0.02, 0.5))
                connection.hang_up()
                self.hung_up["at random"] += 1
                continue
            answer = await self.ask(connection, what, path)
            if answer and answer.status == 503:
                await asyncio.sleep(min(AFTER_REFUSAL_S, max(0, self.end - time.monotonic())))
        connection.hang_up()

    async def hitter(self, number):
        connection = Connection(self.port)
        while not self.is_over():
            for file in self.order["small"]:
                await self.ask(connection, "warm", self.url("plain", file, {"width": 100, "quality": 80}, "warm"))
                await asyncio.sleep(HIT_PERIOD_S)
        connection.hang_up()

    async def ask(self, connection, what, path):
        began = time.monotonic()
        try:
            answer = await asyncio.wait_for(connection.ask(path), ANSWER_DEADLINE_S)
        except (OSError, EOFError, ValueError) as problem:
            connection.hang_up()
            self.answers[f"{what} no answer"] += 1
            self.faults.append(f"{path}: {type(problem).__name__} {problem} after {time.monotonic() - began:.1f} s")
            await asyncio.sleep(0.1)
            return None
        self.note(what, path, answer, began)
        return answer

    async def slow_reader(self, number):
        while not self.is_over():
            connection = Connection(self.port, 16 << 10)
            path = self.url("plain", self.order["big"], {"width": self.order["big_width"], "quality": 95})
            began = time.monotonic()
            try:
                await connection.send(path)
                status, fields = await asyncio.wait_for(connection.head(), ANSWER_DEADLINE_S)
                if status != 200:
                    answer = Answer(status, fields, await connection.reader.readexactly(int(fields["content-length"])))
                    self.note("slow", path, answer, began)
                    await asyncio.sleep(AFTER_REFUSAL_S)
                else:
                    await self.read_slowly(connection, int(fields["content-length"]))
            except (OSError, EOFError, ValueError) as problem:
                seconds = time.monotonic() - began
                self.faults.append(f"{path}: slow reader: {type(problem).__name__} {problem} after {seconds:.1f} s")
                await asyncio.sleep(0.1)
            connection.hang_up()

    async def read_slowly(self, connection, size):
        self.answers["slow 200"] += 1
        while size > 0 and not self.is_over():
            data = await asyncio.wait_for(connection.reader.read(SLOW_BYTES_PER_S // 8), ANSWER_DEADLINE_S)
            if not data:
                raise EOFError
            size -= len(data)
            await asyncio.sleep(1 / 8)
        if size > 0:
            self.hung_up["slow, at the end"] += 1

    # --- the whole

    async def run_client(self, role, number):
        try:
            self.running += 1
            await role(number)
        except Gone:
            self.dead = True
        except ConnectionError as problem:  # while sending; Gone tells soon enough if there is nobody
            self.faults.append(f"client {number}: {type(problem).__name__}")
        finally:
            self.running -= 1

    async def run(self):
        count = self.order["connections"]
        slow, hits = count // SLOW_SHARE, count // HIT_SHARE
        roles = [self.slow_reader] * slow + [self.hitter] * hits + [self.asker] * (count - slow - hits)
        clients = [asyncio.create_task(self.run_client(role, number)) for number, role in enumerate(roles)]
        timely = 0
        while not self.is_over() and not all(task.done() for task in clients[slow + hits :]):
            timely = sum(self.pictures.values())
            await asyncio.sleep(0.05)
        took = time.monotonic() - self.began
        self.end = min(self.end, time.monotonic())
        timely = sum(self.pictures.values()) if not self.dead else timely
        _, pending = await asyncio.wait(clients, timeout=self.order["drain_s"] if not self.dead else 1)
        for task in pending:
            task.cancel()
        self.hung_up["unanswered, at the end"] = len(pending)
        return {
            "seconds": took, "pictures_timely": timely, "pictures": self.pictures, "answers": self.answers, "kept": self.kept,
            "faults": self.faults[:100], "num_faults": len(self.faults), "vague": self.vague, "worst_s": self.worst_s,
            "hung_up": self.hung_up,
        }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Storm(json.load(sys.stdin)).run())))

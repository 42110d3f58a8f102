#!/usr/bin/python3
"""The origin of a storm (storm.py), a process of its own: serves the files of a folder under as many names as anybody likes.

    storm_origin.py FOLDER          prints its port, and serves until its standard input ends

    /plain/1234/large-003.jpg       the file, whatever number stands before it
    /stall-head/1/large-003.jpg     the header of that answer, and then nothing more
    /stall-body/1/large-003.jpg     half of its body, and then nothing more

What stalls stays open until the client leaves. GET and HEAD; connections are kept.
"""

import asyncio
import contextlib
import mimetypes
import sys
from pathlib import Path


class Origin:
    def __init__(self, folder):
        self.files = {path.name: path for path in Path(folder).iterdir()}

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
                mode, _, rest = target.partition("?")[0].strip("/").partition("/")
                if not await self.answer(reader, writer, method, mode, rest.rpartition("/")[2]):
                    break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def answer(self, reader, writer, method, mode, name):
        """Returns whether the connection goes on."""
        path = self.files.get(name)
        if path is None:
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return True
        size = path.stat().st_size
        kind = mimetypes.guess_type(name)[0]
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n".encode())
        await writer.drain()
        if method == "HEAD":
            return True
        stalls = mode.startswith("stall")
        count = 0 if mode == "stall-head" else size // 2 if stalls else size
        if count:
            with open(path, "rb") as file:
                await asyncio.get_running_loop().sendfile(writer.transport, file, 0, count)
        if stalls:
            await reader.read()
        return not stalls


async def main(folder):
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    server = await asyncio.start_server(Origin(folder).serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(stop.set)))
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

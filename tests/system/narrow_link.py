"""A program that stands between a node and its sink: one narrow link for all connections; no test of its own.

    python narrow_link.py PORT BYTES_PER_S

It prints its own port, then forwards both ways; with SIGTERM it prints how many bytes it has carried from the sender.

Its buffers are small, so that a sender feels the link as it would feel a modem's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time

CHUNK = 2048
CATCH_UP_S = 0.1


class Link:
    """Bytes that may pass: one way for everybody together."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s, self._free_s = bytes_per_s, 0.0
        self.carried = 0

    async def carry(self, n: int) -> None:
        """Wait until so many bytes are over."""
        self.carried += n
        # who slept too long may catch up, or a busy machine would make the link narrower than it is
        self._free_s = max(self._free_s, time.monotonic() - CATCH_UP_S) + n / self._bytes_per_s
        wait_s = self._free_s - time.monotonic()
        if wait_s > 0.005:
            await asyncio.sleep(wait_s)


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, link: Link) -> None:
    """Forward until either side is gone; a side that breaks off breaks the other off."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK):
            await link.carry(len(chunk))
            target.write(chunk)
            await target.drain()
    target.transport.abort()


async def serve(port: int, bytes_per_s: float) -> None:
    """Accept and forward."""
    up, down = Link(bytes_per_s), Link(bytes_per_s)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(pump(reader, onward, up), pump(onward_reader, writer, down))

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    server = await asyncio.start_server(forward, sock=listener, limit=CHUNK)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        await ended.wait()
        sys.stdout.write(f"{up.carried}\n")
        sys.stdout.flush()
        os._exit(0)  # whatever is still open


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))

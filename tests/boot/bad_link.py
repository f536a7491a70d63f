"""A server of one folder over a bad link: it serves ranges, and breaks off every so many answers. No test.

Usage: bad_link.py FOLDER PORT BREAK_EVERY OUTAGE_AFTER_MB OUTAGE_S. Each so many answers it breaks off in the middle;
once so many megabytes went over, it answers nothing at all for a while. Prints a line for each answer: its bytes, and
whether they were broken off; in the outage: out.
"""

from __future__ import annotations

import itertools
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, PORT, BREAK_EVERY = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
OUTAGE_AFTER, OUTAGE_S = int(sys.argv[4]) << 20, float(sys.argv[5])
counted = itertools.count(1)


class Link:
    """How much went over it, and until when it is down."""

    sent, over_s = 0, 0.0

    @classmethod
    def is_down(cls) -> bool:
        """From the first answer past the limit on, for so long."""
        if cls.sent >= OUTAGE_AFTER and not cls.over_s:
            cls.over_s = time.monotonic() + OUTAGE_S
        return time.monotonic() < cls.over_s


def say(line: str) -> None:
    """For the test to read."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with ranges."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        if Link.is_down():
            say("out")
            self._hang_up()
            return
        path = FOLDER / Path(self.path).name
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]), size - 1) if asked and asked[2] else size - 1
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.end_headers()
        if not body:
            return
        broken = BREAK_EVERY > 0 and next(counted) % BREAK_EVERY == 0
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(end - start + 1)
        content = content[: len(content) // 2] if broken else content
        self.wfile.write(content)
        Link.sent += len(content)
        say(f"{len(content)} {'broken' if broken else 'whole'}")
        if broken:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Nothing beside our own lines."""


ThreadingHTTPServer(("", PORT), Handler).serve_forever()

"""A server of one folder over a bad link: it serves ranges, and breaks off every so many answers. No test.

Usage: bad_link.py FOLDER PORT BREAK_EVERY. Prints a line for each answer: how many bytes, and whether it broke off.
"""

from __future__ import annotations

import itertools
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, PORT, BREAK_EVERY = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
counted = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with ranges."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
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
        self.wfile.write(content[: len(content) // 2] if broken else content)
        sys.stdout.write(f"{len(content)} {'broken' if broken else 'whole'}\n")
        sys.stdout.flush()
        if broken:
            self.close_connection = True
            self.connection.close()

    def log_message(self, *_: object) -> None:
        """Nothing beside our own lines."""


ThreadingHTTPServer(("", PORT), Handler).serve_forever()

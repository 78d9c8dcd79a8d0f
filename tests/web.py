"""A folder behind HTTP on the loopback, with byte ranges; it counts what it sends."""

import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from .loopback import Loopback


class Web(Loopback):
    """Serves `root`; `sent` are bytes of bodies by path. Without `ranges`, whole files alone.

    `failing` are so many of the next bodies that it begins and does not end.
    """

    def __init__(self, root: Path, *, ranges: bool = True) -> None:
        super().__init__(_Handler)
        self.root = root
        self.ranges = ranges
        self.sent: dict[str, int] = {}
        self.failing = 0


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        name = urllib.parse.unquote(self.path.partition("?")[0]).lstrip("/")
        path = self.server.root / name
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = path.stat().st_size
        start, end = 0, size
        wanted = self.headers.get("Range", "") if self.server.ranges else ""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if asked:
            start = int(asked[1])
            end = min(size, int(asked[2]) + 1) if asked[2] else size
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes" if self.server.ranges else "none")
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        if body and self.server.failing:
            self.server.failing -= 1
            self.close_connection = True
        elif body:
            with path.open("rb") as file:
                file.seek(start)
                self.wfile.write(file.read(end - start))
            self.server.sent[name] = self.server.sent.get(name, 0) + end - start


@contextmanager
def serve(root: Path, *, ranges: bool = True) -> Iterator[Web]:
    """The folder is served while this lasts."""
    web = Web(root, ranges=ranges)
    with web.running():
        yield web

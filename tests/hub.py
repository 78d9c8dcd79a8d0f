"""A read-only Hub on the loopback: enough for `hf://` paths, and it counts what it sends.

Endpoints as huggingface_hub's `HfFileSystem` and `hf_hub_download` call them.
"""

import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "1" * 40


class Hub(ThreadingHTTPServer):
    """Serves the folder `root`, which holds one dataset repository, as `user/release`."""

    daemon_threads = True

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.sent = 0
        self.requests: list[str] = []

    @property
    def endpoint(self) -> str:
        """What `HF_ENDPOINT` is to be."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def entry(self, path: Path) -> dict[str, Any]:
        """A file or folder as the tree lists it."""
        name = path.relative_to(self.root).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "size": 0, "oid": COMMIT}
        oid = hashlib.sha1(f"{name} {path.stat().st_mtime_ns}".encode()).hexdigest()
        return {"type": "file", "path": name, "size": path.stat().st_size, "oid": oid}


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self._answer(body)

    def _answer(self, body: str = "") -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        repository = "/api/datasets/user/release"
        if path.startswith(f"{repository}/tree/"):
            self._tree(path[len(f"{repository}/tree/") :].partition("/")[2])
        elif path.startswith(f"{repository}/paths-info/"):
            self._paths_info(body)
        elif path == repository or path.startswith(f"{repository}/revision/"):
            self._json({"id": "user/release", "sha": COMMIT, "siblings": [], "private": False})
        elif path.startswith("/datasets/user/release/resolve/"):
            name = path[len("/datasets/user/release/resolve/") :].partition("/")[2]
            self._file(self.server.root / name)
        else:
            self._missing("RepoNotFound")

    def _tree(self, name: str) -> None:
        folder = self.server.root / name
        if not folder.is_dir():
            self._missing("EntryNotFound")
            return
        recursive = "recursive=true" in self.path.lower()
        found = folder.rglob("*") if recursive else folder.iterdir()
        self._json([self.server.entry(path) for path in sorted(found)])

    def _paths_info(self, body: str) -> None:
        asked = urllib.parse.parse_qs(body).get("paths", [])
        if body.startswith("{"):
            asked = json.loads(body)["paths"]
        paths = [self.server.root / name for name in asked]
        self._json([self.server.entry(path) for path in paths if path.exists()])

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._missing("EntryNotFound")
            return
        data = path.read_bytes()
        size, status, start = len(data), 200, 0
        if requested := self.headers.get("Range"):
            first, _, last = requested.removeprefix("bytes=").partition("-")
            start, status = int(first), 206
            data = data[start : int(last) + 1 if last else size]
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
        self.send_header("ETag", f'"{self.server.entry(path)["oid"]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.server.sent += len(data)
            self.wfile.write(data)

    def _json(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.server.sent += len(data)
            self.wfile.write(data)

    def _missing(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """A Hub that runs while the block does."""
    hub = Hub(root)
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()

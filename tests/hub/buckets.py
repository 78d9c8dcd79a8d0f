"""The buckets of a test Hub: files without history, each named by what Xet calls its content."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .repository import Refused
from .server import REPO, Handler, ranged, route, send_xet_token

UPLOADED = "2026-01-01T00:00:00.000Z"


@dataclass
class Bucket:
    """One bucket: the Xet hash of each file, by its path."""

    name: str
    private: bool = False
    files: dict[str, str] = field(default_factory=dict)


def _reader(call: Handler, name: str) -> Bucket:
    account = call.account()
    bucket = call.server.buckets.get(name)
    if bucket is None or (bucket.private and account is None):
        raise Refused(404, "RepoNotFound", "Bucket not found")
    return bucket


def _writer(call: Handler, name: str) -> Bucket:
    bucket = _reader(call, name)
    account = call.account()
    if account is None:
        raise Refused(401, "", "Invalid username or password.")
    if account.role == "read" or name.partition("/")[0] != account.name:
        raise Refused(403, "", "You don't have the rights to write to this bucket")
    return bucket


def _info(call: Handler, bucket: Bucket, path: str) -> dict[str, Any]:
    xet = bucket.files[path]
    return {
        "type": "file",
        "path": path,
        "size": call.server.storage.xet_size(xet),
        "xetHash": xet,
        "uploadedAt": UPLOADED,
    }


@route("POST", f"/api/buckets/{REPO}")
def _create(call: Handler, groups: dict[str, str]) -> None:
    name, account, url = groups["repo"], call.account(), call.server.endpoint
    if account is None or account.role == "read" or name.partition("/")[0] != account.name:
        raise Refused(403, "", "You don't have the rights to create a bucket")
    status = 409 if name in call.server.buckets else 200
    if status == 200:
        asked = call.parsed()  # the client's word for it has changed
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        call.server.buckets[name] = Bucket(name, private)
    call.json({"url": f"{url}/buckets/{name}"}, status=status)


@route("GET", f"/api/buckets/{REPO}")
def _bucket(call: Handler, groups: dict[str, str]) -> None:
    bucket = _reader(call, groups["repo"])
    call.json(
        {
            "id": bucket.name,
            "private": bucket.private,
            "createdAt": UPLOADED,
            "size": sum(map(call.server.storage.xet_size, bucket.files.values())),
            "totalFiles": len(bucket.files),
        }
    )


@route("GET", f"/api/buckets/{REPO}/tree(/(?P<prefix>.*))?")
def _tree(call: Handler, groups: dict[str, str]) -> None:
    """What begins with the prefix, as letters and not as a folder: so the real client says."""
    bucket = _reader(call, groups["repo"])
    prefix = groups["prefix"]
    recursive = call.query.get("recursive", ["false"])[0].lower() == "true"
    listed: dict[str, dict[str, Any]] = {}
    for path in sorted(bucket.files):
        if not path.startswith(prefix):
            continue
        parts = path.split("/")
        depth = prefix.count("/") + (2 if prefix else 1)
        shown = path if recursive else "/".join(parts[:depth])
        if shown == path:
            listed[shown] = _info(call, bucket, path)
        else:
            listed[shown] = {"type": "directory", "path": shown, "uploadedAt": UPLOADED}
    call.json_page(list(listed.values()))


@route("POST", f"/api/buckets/{REPO}/paths-info")
def _paths_info(call: Handler, groups: dict[str, str]) -> None:
    bucket = _reader(call, groups["repo"])
    asked = call.parsed()["paths"]
    call.json([_info(call, bucket, path) for path in asked if path in bucket.files])


@route("GET", f"/api/buckets/{REPO}/xet-(?P<kind>read|write)-token")
def _token(call: Handler, groups: dict[str, str]) -> None:
    """Several processes write to a bucket at once: each to chunks of its own."""
    storage = call.server.storage
    if groups["kind"] == "write":
        _writer(call, groups["repo"])
        cas = storage.own_cas()
    else:
        _reader(call, groups["repo"])
        cas = storage.copied_cas()
    send_xet_token(call, f"local://{cas}")


@route("POST", f"/api/buckets/{REPO}/batch")
def _batch(call: Handler, groups: dict[str, str]) -> None:
    bucket = _writer(call, groups["repo"])
    items = [json.loads(line) for line in call.body.splitlines()]
    added = {item["xetHash"] for item in items if item["type"] == "addFile"}
    storage, failed = call.server.storage, []
    storage.ingest({name for name in added if storage.xet_size(name) is None})
    for item in items:
        if item["type"] == "addFile" and storage.xet_size(item["xetHash"]) is not None:
            bucket.files[item["path"]] = item["xetHash"]
        elif item["type"] == "deleteFile" and item["path"] in bucket.files:
            del bucket.files[item["path"]]
        else:
            failed.append({"path": item["path"], "error": "not known here"})
    call.json({"success": not failed, "failed": failed}, status=422 if failed else 200)


@route("GET", f"/buckets/{REPO}/resolve/(?P<path>.*)")
def _resolve(call: Handler, groups: dict[str, str]) -> None:
    bucket = _reader(call, groups["repo"])
    if groups["path"] not in bucket.files:
        raise Refused(404, "EntryNotFound")
    hub, xet = call.server, bucket.files[groups["path"]]
    token = f"{hub.endpoint}/api/buckets/{quote(bucket.name)}/xet-read-token"
    size = hub.storage.xet_size(xet)
    headers = {
        "X-Xet-Hash": xet,
        "X-Linked-Size": str(size),
        "ETag": f'"{xet}"',
        "Link": f'<{token}>; rel="xet-auth"',
        "Location": f"{hub.content_endpoint}/xet/{xet}",
    }
    call.send(b"", status=302, headers=headers)


@route("GET", "/xet/(?P<xet>[0-9a-f]{64})")
def _content(call: Handler, groups: dict[str, str]) -> None:
    ranged(call, call.server.storage.xet_content(groups["xet"]), {"ETag": f'"{groups["xet"]}"'})

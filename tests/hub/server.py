"""The test Hub's HTTP: a table of routes over `Repository` and `Storage`."""

import base64
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import yaml

from ..loopback import Loopback
from .faults import Fault
from .repository import Entry, Refused, Repository
from .storage import Storage

if TYPE_CHECKING:
    from .buckets import Bucket

Call = Callable[["Handler", dict[str, str]], None]
ROUTES: list[tuple[str, re.Pattern[str], Call]] = []
REPO = "(?P<repo>[^/]+/[^/]+)"
XET_SECONDS = 3600


@dataclass
class Account:
    """Whose a token is, and what it may do."""

    name: str = "user"
    role: str = "write"
    pro: bool = False  # and so are its organisations
    organisations: tuple[str, ...] = ()
    requests_left: int = field(default=1 << 60)
    """The token expires after so many requests."""


class Hub(Loopback):
    """Repositories by name, accounts by token, and faults that wait for their request."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Handler)
        self.storage = Storage(folder)
        self.repositories: dict[str, Repository] = {}
        self.buckets: dict[str, Bucket] = {}
        self.accounts = {"hf_write": Account(), "hf_read": Account(role="read")}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.sent = 0
        self.xet_seconds = XET_SECONDS
        self.page = 1000
        self.lock = threading.RLock()

    @property
    def endpoint(self) -> str:
        """What `HF_ENDPOINT` is to be."""
        return self.address

    @property
    def content_endpoint(self) -> str:
        """Another host, as in life: clients follow redirects to their own by themselves."""
        return f"http://localhost:{self.server_address[1]}"

    def fail(self, pattern: str, status: int = 503, **how: Any) -> Fault:
        fault = Fault(pattern, status, **how)
        self.faults.append(fault)
        return fault

    def asked(self, pattern: str) -> list[str]:
        """The requests like this, in order."""
        return [request for request in self.requests if re.search(pattern, request)]

    def keep(self, name: str, root: Path) -> Repository:
        """A repository of that name, which holds the folder `root` on `main`."""
        repository = self.repositories.setdefault(name, Repository(name))
        tree = {
            path.relative_to(root).as_posix(): Entry(path.stat().st_size, self.storage.adopt(path))
            for path in root.rglob("*")
            if path.is_file()
        }
        repository.commit("main", tree, "the release")
        return repository

    def content(self, entry: Entry) -> bytes:
        if entry.sha256:
            return self.storage.path(entry.sha256, entry.size).read_bytes()
        return entry.content


def route(method: str, pattern: str) -> Callable[[Call], Call]:
    def keep(call: Call) -> Call:
        ROUTES.append((method, re.compile(pattern), call))
        return call

    return keep


class Handler(BaseHTTPRequestHandler):
    """One connection; calls the route of each request."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = f"{self.command} {self.path}"
        with hub.lock:
            hub.requests.append(request)
            fault = next((fault for fault in hub.faults if fault.meets(request)), None)
        if fault and not fault.after:
            self._fail(fault)
            return
        self.lost = fault is not None
        try:
            with hub.lock:
                self._call(url.path)
        except Refused as refused:
            self.send(b"", status=refused.status, code=refused.code, message=refused.message)
        if fault:
            self._fail(fault)

    def _call(self, path: str) -> None:
        for method, pattern, call in ROUTES:
            if method in {self.command, "GET" if self.command == "HEAD" else ""}:
                found = pattern.fullmatch(path)
                if found:
                    groups = {k: unquote(v) for k, v in found.groupdict(default="").items()}
                    call(self, groups)
                    return
        raise Refused(404, "RepoNotFound")

    def _fail(self, fault: Fault) -> None:
        fault.act()
        self.lost = False
        if fault.status:
            self.send(b"", status=fault.status, message=fault.message, headers=fault.headers)
        else:
            self.close_connection = True
            self.connection.close()

    def account(self) -> Account | None:
        """Whose the request is. Raises `Refused` for a token that is none."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        account = self.server.accounts.get(token)
        if account is None or account.requests_left <= 0:
            raise Refused(401, message="Invalid credentials in Authorization header")
        account.requests_left -= 1
        return account

    def reader(self, name: str) -> Repository:
        """The repository, where the account may see it."""
        account = self.account()
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and account is None):
            raise Refused(404 if account else 401, "RepoNotFound", "Repository not found")
        return repository

    def writer(self, name: str) -> Repository:
        """The same, where it may write."""
        account = self.account()
        if account is None:
            raise Refused(401, "", "Invalid username or password.")
        repository = self.reader(name)
        if account.role == "read" or name.partition("/")[0] not in {
            account.name,
            *account.organisations,
        }:
            raise Refused(
                403, "", "You don't have the rights to create a commit in this repository"
            )
        return repository

    def json(self, value: Any, **how: Any) -> None:
        headers = {"Content-Type": "application/json", **how.pop("headers", {})}
        self.send(json.dumps(value).encode(), headers=headers, **how)

    def json_page(self, listed: list[Any]) -> None:
        """A part of a list, and where the next one is."""
        start = int(self.query.get("cursor", ["0"])[0])
        page = listed[start : start + self.server.page]
        headers = {}
        if start + len(page) < len(listed):
            asked = {**self.query, "cursor": [str(start + len(page))]}
            address = f"{self.server.endpoint}{urlsplit(self.path).path}"
            headers["Link"] = f'<{address}?{urlencode(asked, doseq=True)}>; rel="next"'
        self.json(page, headers=headers)

    def parsed(self) -> Any:
        return json.loads(self.body)

    def send(
        self,
        data: bytes,
        status: int = 200,
        *,
        code: str = "",
        message: str = "",
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        if self.lost:
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if code:
            self.send_header("X-Error-Code", code)
        if message:
            self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.server.sent += len(data)
            self.wfile.write(data)

    lost = False


@route("GET", "/api/whoami-v2")
def _whoami(call: Handler, _: dict[str, str]) -> None:
    account = call.account()
    if account is None:
        raise Refused(401, "", "Invalid username or password.")
    token: dict[str, Any] = {"displayName": "test", "role": account.role}
    if account.role == "fineGrained":
        token["fineGrained"] = {"scoped": [], "global": []}
    call.json(
        {
            "type": "user",
            "name": account.name,
            "isPro": account.pro,
            "orgs": [
                {"type": "org", "name": name, "roleInOrg": "write", "isEnterprise": account.pro}
                for name in account.organisations
            ],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


@route("POST", "/api/repos/create")
def _create(call: Handler, _: dict[str, str]) -> None:
    account = call.account()
    asked = call.parsed()
    if account is None:
        raise Refused(401, "", "Invalid username or password.")
    owner = asked.get("organization") or account.name
    name = f"{owner}/{asked['name']}"
    url = f"{call.server.endpoint}/datasets/{name}"
    if name in call.server.repositories:
        call.json({"url": url}, status=409)
        return
    if account.role == "read" or owner not in {account.name, *account.organisations}:
        raise Refused(403, "", f'You don\'t have the rights to create a dataset under "{owner}"')
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    call.server.repositories[name] = Repository(name, private)
    call.json({"url": url})


@route("POST", "/api/validate-yaml")
def _validate(call: Handler, _: dict[str, str]) -> None:
    """The few rules of the Hub's that are public: it wants a mapping, known values, lists."""
    _, _, rest = call.parsed()["content"].partition("---\n")
    header, found, _ = rest.partition("\n---\n")
    errors = []
    try:
        data = yaml.safe_load(header) if found else {}
    except yaml.YAMLError as error:
        data, errors = {}, [str(error)]
    if not isinstance(data, dict):
        data, errors = {}, ["the metadata is no mapping"]
    for key in ("language", "tags", "task_categories", "size_categories", "configs"):
        if not isinstance(data.get(key, []), list):
            errors.append(f'"{key}" must be an array')
    license = data.get("license", "unknown")
    if not isinstance(license, str) or not re.fullmatch("[a-z0-9.-]+", license):
        errors.append('"license" must be one of [apache-2.0, mit, …]')
    if license == "other" and not data.get("license_name"):
        errors.append('"license_name" is required')
    call.json(
        {"errors": [{"message": error} for error in errors], "warnings": []},
        status=400 if errors else 200,
    )


@route("GET", f"/api/datasets/{REPO}/auth-check(/write)?")
def _auth_check(call: Handler, groups: dict[str, str]) -> None:
    (call.writer if call.path.endswith("/write") else call.reader)(groups["repo"])
    call.json({})


@route("GET", f"/api/datasets/{REPO}")
@route("GET", f"/api/datasets/{REPO}/revision/(?P<revision>[^/]+)")
def _info(call: Handler, groups: dict[str, str]) -> None:
    repository = call.reader(groups["repo"])
    commit = repository.at(groups.get("revision") or "main")
    siblings = [{"rfilename": path} for path in sorted(commit.tree)]
    call.json(
        {
            "id": repository.name,
            "sha": commit.oid,
            "siblings": siblings,
            "private": repository.private,
            "tags": [],
        }
    )


@route("GET", f"/api/datasets/{REPO}/refs")
def _refs(call: Handler, groups: dict[str, str]) -> None:
    repository = call.reader(groups["repo"])
    branches = {name: commits[-1] for name, commits in repository.refs.items()}
    listed = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit.oid}
        for name, commit in branches.items()
        if not name.startswith("refs/")
    ]
    tags = [
        {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit.oid}
        for name, commit in repository.tags.items()
    ]
    call.json({"branches": listed, "converts": [], "tags": tags, "pullRequests": []})


@route("POST", f"/api/datasets/{REPO}/branch/(?P<branch>[^/]+)")
def _branch(call: Handler, groups: dict[str, str]) -> None:
    repository = call.writer(groups["repo"])
    if groups["branch"] in repository.refs:
        raise Refused(409, "", "Reference already exists")
    repository.refs[groups["branch"]] = list(repository.refs["main"])
    call.json({})


@route("POST", f"/api/datasets/{REPO}/tag/(?P<revision>[^/]+)")
def _tag(call: Handler, groups: dict[str, str]) -> None:
    repository = call.writer(groups["repo"])
    name = call.parsed()["tag"]
    if name in repository.tags:
        raise Refused(409, "", "Tag reference exists already")
    repository.tags[name] = repository.at(groups["revision"])
    call.json({})


@route("GET", f"/api/datasets/{REPO}/tree/(?P<revision>[^/]+)(/(?P<path>.*))?")
def _tree(call: Handler, groups: dict[str, str]) -> None:
    repository = call.reader(groups["repo"])
    tree = repository.tree(groups["revision"])
    root = f"{groups['path']}/" if groups["path"] else ""
    folders = repository.folders(tree)
    if root and groups["path"] not in folders:
        raise Refused(404, "EntryNotFound")
    recursive = call.query.get("recursive", ["false"])[0].lower() == "true"
    listed = []
    for path in sorted({*tree, *folders}):
        below = path[len(root) :]
        if not path.startswith(root) or not below or ("/" in below and not recursive):
            continue
        if path in tree:
            listed.append(_entry(call, repository, path, tree[path]))
        else:
            oid = hash_of(path)
            listed.append({"type": "directory", "path": path, "size": 0, "oid": oid})
    call.json_page(listed)


@route("GET", f"/api/datasets/{REPO}/commits/(?P<revision>[^/]+)")
def _commits(call: Handler, groups: dict[str, str]) -> None:
    """Newest first, as git does."""
    repository = call.reader(groups["repo"])
    call.json_page(
        [
            {
                "id": commit.oid,
                "title": commit.title,
                "message": "",
                "authors": [{"user": repository.name.partition("/")[0]}],
                "date": "2026-01-01T00:00:00.000Z",
            }
            for commit in reversed(repository.commits(groups["revision"]))
        ]
    )


def hash_of(text: str) -> str:
    return Entry(0, content=text.encode()).oid


def _entry(call: Handler, repository: Repository, path: str, found: Entry) -> dict[str, Any]:
    xet = call.server.storage.xet_hash(found.sha256) if found.sha256 else None
    return repository.entry(path, found, xet)


@route("POST", f"/api/datasets/{REPO}/paths-info/(?P<revision>[^/]+)")
def _paths_info(call: Handler, groups: dict[str, str]) -> None:
    repository = call.reader(groups["repo"])
    text = call.body.decode()
    asked = call.parsed()["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
    tree = repository.tree(groups["revision"])
    folders = repository.folders(tree)
    call.json(
        [
            _entry(call, repository, path, tree[path])
            if path in tree
            else {"type": "directory", "path": path, "size": 0, "oid": hash_of(path)}
            for path in asked
            if path in tree or path in folders
        ]
    )


@route("POST", f"/api/datasets/{REPO}/preupload/(?P<revision>[^/]+)")
def _preupload(call: Handler, groups: dict[str, str]) -> None:
    repository = call.writer(groups["repo"])
    tree = repository.tree(groups["revision"])
    call.json(
        {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs"
                    if repository.is_large(file["path"], file["size"])
                    else "regular",
                    "shouldIgnore": False,
                    "oid": (tree[file["path"]].sha256 or tree[file["path"]].oid)
                    if file["path"] in tree
                    else None,
                }
                for file in call.parsed()["files"]
            ]
        }
    )


@route("GET", f"/api/datasets/{REPO}/xet-(?P<kind>read|write)-token/(?P<revision>[^/]+)")
def _xet_token(call: Handler, groups: dict[str, str]) -> None:
    (call.writer if groups["kind"] == "write" else call.reader)(groups["repo"])
    send_xet_token(call, call.server.storage.cas_url)


def send_xet_token(call: Handler, url: str) -> None:
    """Where Xet's chunks are to go, or to come from: a folder of this machine."""
    expiry = int(time.time()) + call.server.xet_seconds
    call.json(
        {"accessToken": "xet", "exp": expiry, "casUrl": url},
        headers={
            "X-Xet-Cas-Url": url,
            "X-Xet-Access-Token": "xet",
            "X-Xet-Token-Expiration": str(expiry),
        },
    )


@route("POST", f"/datasets/{REPO}\\.git/info/lfs/objects/batch")
def _lfs_batch(call: Handler, groups: dict[str, str]) -> None:
    call.writer(groups["repo"])
    storage, endpoint = call.server.storage, call.server.endpoint
    objects = []
    for asked in call.parsed()["objects"]:
        found: dict[str, Any] = {"oid": asked["oid"], "size": asked["size"]}
        if not storage.has(asked["oid"]):
            found["actions"] = {
                "upload": {"href": f"{endpoint}/lfs/{asked['oid']}"},
                "verify": {"href": f"{endpoint}/lfs-verify/{asked['oid']}"},
            }
        objects.append(found)
    call.json({"objects": objects, "transfer": "basic"})


@route("PUT", "/lfs/(?P<oid>[0-9a-f]{64})")
def _lfs_put(call: Handler, groups: dict[str, str]) -> None:
    if call.server.storage.put(call.body) != groups["oid"]:
        raise Refused(400, "", "not what it says it is")
    call.send(b"", headers={"ETag": '"part"'})


@route("POST", "/lfs-verify/(?P<oid>[0-9a-f]{64})")
def _lfs_verify(call: Handler, groups: dict[str, str]) -> None:
    if not call.server.storage.has(groups["oid"]):
        raise Refused(404)
    call.json({})


@route("POST", f"/api/datasets/{REPO}/commit/(?P<revision>[^/]+)")
def _commit(call: Handler, groups: dict[str, str]) -> None:
    repository = call.writer(groups["repo"])
    add: dict[str, Entry] = {}
    delete: list[str] = []
    header: dict[str, Any] = {}
    for line in call.body.splitlines():
        item = json.loads(line)
        value = item["value"]
        if item["key"] == "header":
            header = value
        elif item["key"] == "file":
            content = base64.b64decode(value["content"])
            add[value["path"]] = Entry(len(content), content=content)
        elif item["key"] == "lfsFile":
            if not call.server.storage.has(value["oid"]):
                raise Refused(
                    400, "", f"LFS pointer pointed to a file that does not exist: {value['path']}"
                )
            add[value["path"]] = Entry(value["size"], value["oid"])
        elif item["key"] == "deletedFile":
            if value["path"] not in repository.tree(groups["revision"]):
                raise Refused(400, "", f"no such file: {value['path']}")
            delete.append(value["path"])
        else:
            raise Refused(400, "", f"not known here: {item['key']}")
    commit = repository.commit(
        groups["revision"],
        add,
        header["summary"],
        delete=tuple(delete),
        parent=header.get("parentCommit"),
    )
    url = f"{call.server.endpoint}/datasets/{repository.name}/commit/{commit.oid}"
    call.json({"commitOid": commit.oid, "commitUrl": url, "pullRequestUrl": None})


def _discussion(repository: Repository, number: int) -> dict[str, Any]:
    pull = repository.pull(number)
    base = [commit.oid for commit in repository.refs["main"]]
    events = [
        {
            "id": commit.oid,
            "type": "commit",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "data": {"subject": commit.title, "oid": commit.oid},
        }
        for commit in repository.refs[pull.ref]
        if commit.oid not in base
    ]
    return {
        "num": pull.number,
        "title": pull.title,
        "status": pull.status,
        "isPullRequest": True,
        "author": {"name": pull.author},
        "createdAt": "2026-01-01T00:00:00.000Z",
        "repo": {"name": repository.name, "type": "dataset"},
        "changes": {"base": "refs/heads/main"},
        "filesWithConflicts": repository.conflicts(pull),
        "events": events,
    }


@route("GET", f"/api/datasets/{REPO}/discussions")
def _discussions(call: Handler, groups: dict[str, str]) -> None:
    repository = call.reader(groups["repo"])
    status = call.query.get("status", ["all"])[0]
    author = call.query.get("author", [""])[0]
    listed = [
        _discussion(repository, pull.number)
        for pull in repository.pulls
        if (not author or pull.author == author)
        and (status != "open" or pull.status in {"open", "draft"})
    ]
    call.json({"count": len(listed), "start": 0, "discussions": listed})


@route("POST", f"/api/datasets/{REPO}/discussions")
def _open(call: Handler, groups: dict[str, str]) -> None:
    repository = call.writer(groups["repo"])
    account = call.account()
    pull = repository.open_pull(call.parsed()["title"], account.name if account else "")
    call.json({"num": pull.number})


@route("GET", f"/api/datasets/{REPO}/discussions/(?P<number>\\d+)")
def _details(call: Handler, groups: dict[str, str]) -> None:
    call.json(_discussion(call.reader(groups["repo"]), int(groups["number"])))


@route("POST", f"/api/datasets/{REPO}/discussions/(?P<number>\\d+)/status")
def _status(call: Handler, groups: dict[str, str]) -> None:
    pull = call.writer(groups["repo"]).pull(int(groups["number"]))
    pull.status = call.parsed()["status"]
    event = {
        "id": "1",
        "type": "status-change",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "data": {"status": pull.status},
    }
    call.json({"newStatus": event})


@route("POST", f"/api/datasets/{REPO}/discussions/(?P<number>\\d+)/merge")
def _merge(call: Handler, groups: dict[str, str]) -> None:
    call.writer(groups["repo"]).merge(int(groups["number"]))
    call.json({})


@route("GET", f"/datasets/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.*)")
def _resolve(call: Handler, groups: dict[str, str]) -> None:
    repository = call.reader(groups["repo"])
    commit = repository.at(groups["revision"])
    entry = commit.tree.get(groups["path"])
    if entry is None:
        raise Refused(404, "EntryNotFound")
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{entry.oid}"'}
    if not entry.sha256:
        ranged(call, entry.content, headers)
        return
    hub = call.server
    headers["X-Linked-Etag"] = f'"{entry.sha256}"'
    headers["X-Linked-Size"] = str(entry.size)
    headers["Location"] = f"{hub.content_endpoint}/content/{entry.sha256}/{entry.size}"
    xet = hub.storage.xet_hash(entry.sha256)
    if xet:
        token = f"{hub.endpoint}/api/datasets/{quote(repository.name)}/xet-read-token/{commit.oid}"
        headers["X-Xet-Hash"] = xet
        headers["Link"] = f'<{token}>; rel="xet-auth"'
    call.send(b"", status=302, headers=headers)


@route("GET", "/content/(?P<oid>[0-9a-f]{64})/(?P<size>\\d+)")
def _content(call: Handler, groups: dict[str, str]) -> None:
    path = call.server.storage.path(groups["oid"], int(groups["size"]))
    ranged(call, path.read_bytes(), {"ETag": f'"{groups["oid"]}"'})


def ranged(call: Handler, data: bytes, headers: dict[str, str]) -> None:
    size, status, start = len(data), 200, 0
    if requested := call.headers.get("Range"):
        first, _, last = requested.removeprefix("bytes=").partition("-")
        start, status = int(first), 206
        data = data[start : int(last) + 1 if last else size]
        headers = {**headers, "Content-Range": f"bytes {start}-{start + len(data) - 1}/{size}"}
    call.send(data, status=status, headers=headers)


@contextmanager
def running(folder: Path) -> Iterator[Hub]:
    """An empty Hub that runs while the block does."""
    hub = Hub(folder)
    with hub.running():
        yield hub


@contextmanager
def serve(root: Path) -> Iterator[Hub]:
    """A Hub that holds the folder `root` as the repository `user/release`."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as hub:
        hub.keep("user/release", root)
        yield hub

"""A stand-in for the Hugging Face Hub on this machine: enough of its API for huggingface_hub 2.4.

``Hub`` is the server; ``hub.add("datasets", "owner/name", files)`` puts a repository on it. It
knows tokens, gated and private repositories, commits, ranges of bytes, and connections that break;
for models also search, and large files (LFS), whose bytes come from another host.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from huggingface_hub.hf_api import ExpandModelProperty_T

from tests.engine.work.hub.hub_repo import Repo, git_hash

# Known to the stand-in; only the member has accepted every owner's terms.
TOKENS = {"hf_member", "hf_stranger"}
API = re.compile(r"/api/(datasets|models)/(.+)")
RESOLVE = re.compile(r"/(datasets/)?(.+?)/resolve/(.+)")
VERB = re.compile(r"/revision/(.+)")
PARQUET_COPY = "refs/convert/parquet"


@dataclass
class Asked:
    """One request, and what it cost."""

    line: str  # as "GET /api/datasets/..."
    headers: dict[str, str]
    sent: int = 0  # bytes of the answer's body


class Hub:
    """The server; ``asked`` keeps every request in order."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.moved: dict[str, str] = {}  # old name -> new name
        self.asked: list[Asked] = []
        self.failing: dict[str, int] = {}  # how a path ends -> the status that it is answered with
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, kind: str, name: str, files: dict[str, bytes], **how: Any) -> Repo:
        """Put a repository on the Hub; a card is written as README.md in front of its text."""
        if card := how.get("card"):
            files = {"README.md": f"---\n{yaml.safe_dump(card)}---\n# {name}\n".encode(), **files}
        repo = Repo(kind, name, {"main": {".gitattributes": b"", **files}}, **how)
        self.repos[kind, name] = repo
        return repo

    def sent(self, ending: str) -> int:
        """Bytes sent of the files whose name ends so."""
        return sum(one.sent for one in self.asked if one.line.endswith(ending))

    @contextmanager
    def running(self) -> Iterator[Hub]:
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.asked = Asked(f"{self.command} {path}", headers)
        self.hub.asked.append(self.asked)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            self._fail(401, "", "Invalid credentials in Authorization header")
        elif failing := [code for end, code in self.hub.failing.items() if path.endswith(end)]:
            self._fail(failing[0], "", "Something is wrong")
        elif path == "/api/models":
            self._search(parse_qs(urlsplit(self.path).query), token)
        elif path.startswith("/cdn/"):
            self._large(*path.removeprefix("/cdn/").split("/", 1))
        elif found := API.fullmatch(path):
            self._api(found[1], found[2], token)
        elif found := RESOLVE.fullmatch(path):
            self._resolve("datasets" if found[1] else "models", found[2], found[3], token)
        else:
            self._fail(404, "", "Not found")

    do_GET = do_HEAD = _answer

    def _api(self, kind: str, rest: str, token: str) -> None:
        """What a repository is, and which files it has."""
        verb = VERB.search(rest)
        repo = self._repo(kind, rest[: verb.start()] if verb else rest, token)
        if repo is None:
            return
        revision = verb[1] if verb else "main"
        found = repo.find(revision)
        if found is None:
            self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            self._json(self._page(repo, *found))

    def _search(self, asked: dict[str, list[str]], token: str) -> None:
        """Models by name, task, tags and size, the most downloaded first."""
        known = {"search", "pipeline_tag", "filter", "num_parameters", "sort", "limit", "expand"}
        if asked.keys() - known or set(asked["expand"]) - set(get_args(ExpandModelProperty_T)):
            self._fail(400, "", "Bad request")
            return
        found = []
        for repo in (repo for (kind, _), repo in self.hub.repos.items() if kind == "models"):
            more, total = repo.more, repo.more.get("safetensors", {}).get("total", 0)
            most = int(asked.get("num_parameters", ["max:0B"])[0][4:-1]) * 10**9
            task = more.get("pipeline_tag")
            fits = (
                asked.get("search", [""])[0].lower() in repo.id.lower()
                and task in asked.get("pipeline_tag", [task])
                and set(asked.get("filter", [])) <= set(more.get("tags", []))
                and (not most or 0 < total <= most)
            )
            if fits and (not repo.private or token == "hf_member"):
                found.append(self._page(repo, *repo.find("main")))  # which every one has
        found.sort(key=lambda page: -page["downloads"])
        self._json(found[: int(asked["limit"][0])])

    def _page(self, repo: Repo, sha: str, files: dict[str, bytes]) -> dict[str, Any]:
        asked = parse_qs(urlsplit(self.path).query)
        sizes = [{"rfilename": path} | (repo.listed(path, data) if "blobs" in asked else {})
                 for path, data in files.items()]  # fmt: skip
        page = {
            "_id": "0", "id": repo.id, "sha": sha, "private": repo.private, "downloads": 7,
            "gated": "auto" if repo.gated is True else repo.gated, "siblings": sizes, "tags": [],
            "likes": 0, "cardData": repo.card,
            **repo.more,
        }  # fmt: skip
        wanted = ["_id", "id", *asked.get("expand", page)]
        return {key: value for key, value in page.items() if key in wanted}

    def _resolve(self, kind: str, name: str, rest: str, token: str) -> None:
        """A file's bytes, whole or a range of them."""
        repo = self._repo(kind, name, token)
        if repo is None:
            return
        if repo.gated and token != "hf_member":
            status = 403 if token else 401
            self._fail(status, "GatedRepo", f"Access to dataset {name} is restricted.")
            return
        revision = PARQUET_COPY if rest.startswith(PARQUET_COPY) else rest.split("/")[0]
        found, path = repo.find(revision), rest[len(revision) + 1 :]
        if found is None or path not in found[1]:
            self._fail(404, "EntryNotFound" if found else "RevisionNotFound", f"{path} is not here")
            return
        data = found[1][path]
        headers = {"X-Repo-Commit": found[0], "ETag": f'"{git_hash(data)}"'}
        if path.endswith(repo.large):
            digest = hashlib.sha256(data).hexdigest()
            # To a client, this is another host than 127.0.0.1.
            host = f"http://localhost:{self.hub.server.server_port}"
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{digest}"'}
            self._send(302, b"", headers | {"Location": f"{host}/cdn/{digest}/{name}/{path}"})
        else:
            self._bytes(repo, path, data, headers)

    def _large(self, digest: str, rest: str) -> None:
        """A large file, from the host that the Hub leads to."""
        owner, name, path = rest.split("/", 2)
        repo = self.hub.repos["models", f"{owner}/{name}"]
        found = (files.get(path, b"") for files in repo.branches.values())
        data = next(data for data in found if hashlib.sha256(data).hexdigest() == digest)
        self._bytes(repo, path, data, {})

    def _bytes(self, repo: Repo, path: str, data: bytes, headers: dict[str, str]) -> None:
        status, start, headers = 200, 0, headers | {"Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            status, data = 206, data[start : end + 1]
        cut = max(0, repo.cut[path] - start) if path in repo.cut else None
        self._send(status, data, headers, cut, repo.slow)

    def _repo(self, kind: str, name: str, token: str) -> Repo | None:
        """The repository; None after an answer that there is none, or no access."""
        repo = self.hub.repos.get((kind, name))
        if name in self.hub.moved:
            self._send(307, b"", {"Location": self.path.replace(name, self.hub.moved[name], 1)})
            return None
        if repo is None or (repo.private and token != "hf_member"):
            unknown = (404, "RepoNotFound", "Repository not found")
            self._fail(*unknown if token else (401, "", "Invalid username or password."))
            return None
        return repo

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(
        self,
        status: int,
        data: bytes,
        headers: dict[str, str],
        cut: int | None = None,
        slow: float = 0.0,
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut is not None and cut < len(data):
            data, self.close_connection = data[:cut], True
        try:
            for start in range(0, len(data), 2**16):
                piece = data[start : start + 2**16]
                self.asked.sent += len(piece)
                self.wfile.write(piece)
                time.sleep(slow)
        except ConnectionError:  # whoever asked is gone
            self.close_connection = True

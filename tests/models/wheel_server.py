"""A package index and file server on the loopback, real HTTP, that can be told to misbehave."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


def build_wheel(members: dict[str, bytes]) -> bytes:
    """A small wheel; compressed and padded like a real one, so that it comes in many blocks."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mediapipe/__init__.py", "")
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@dataclass
class Behaviour:
    """What the server does: cut_after: bytes after which the next answers break off; fail: statuses to answer first."""

    cut_after: list[int] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    ranges: bool = True
    as_json: bool = False
    hash_in_index: str | None = None
    password: str = ""
    yanked: bool = False


class WheelServer:
    """Serves `/simple/mediapipe/`, the wheel, and `/mirror/NAME`. requests: what was asked, with the Range."""

    def __init__(self, filename: str, wheel: bytes, files: dict[str, bytes] | None = None) -> None:
        self.filename = filename
        self.wheel = wheel
        self.files = files or {}
        self.behaviour = Behaviour()
        self.requests: list[tuple[str, str]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    @property
    def index(self) -> str:
        return f"http://{self.address}/simple"

    def asked(self, part: str) -> list[tuple[str, str]]:
        return [request for request in self.requests if part in request[0]]

    def __enter__(self) -> WheelServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.requests.append((handler.path, handler.headers.get("Range", "")))
        if self.behaviour.password and not handler.headers.get("Authorization"):
            handler.send_error(401)
        elif handler.path == "/simple/mediapipe/":
            self._send_index(handler)
        elif handler.path == f"/files/{self.filename}":
            self._send_file(handler, self.wheel)
        elif handler.path.startswith("/mirror/") and handler.path.removeprefix("/mirror/") in self.files:
            self._send_file(handler, self.files[handler.path.removeprefix("/mirror/")])
        else:
            handler.send_error(404)

    def _send_index(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        stated = self.behaviour.hash_in_index
        sha256 = hashlib.sha256(self.wheel).hexdigest() if stated is None else stated
        other = "mediapipe-0.10.17-cp311-cp311-any.whl"
        if self.behaviour.as_json:
            kind = "application/vnd.pypi.simple.v1+json"
            hashes = {"sha256": sha256} if sha256 else {}
            files = [
                {"filename": other, "url": f"/files/{other}", "hashes": {}},
                {
                    "filename": self.filename,
                    "url": f"../../files/{self.filename}",
                    "hashes": hashes,
                    "yanked": self.behaviour.yanked,
                },
            ]
            body = json.dumps({"meta": {"api-version": "1.0"}, "name": "mediapipe", "files": files}).encode()
        else:
            kind = "text/html; charset=utf-8"
            fragment = f"#sha256={sha256}" if sha256 else ""
            yanked = ' data-yanked="broken"' if self.behaviour.yanked else ""
            body = (
                f'<a href="/files/{other}">{other}</a>'
                f'<a{yanked} href="../../files/{self.filename}{fragment}">{self.filename}</a>'
            ).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _send_file(self, handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
        if self.behaviour.fail:
            handler.send_error(self.behaviour.fail.pop(0))
            return
        start = 0
        asked = handler.headers.get("Range", "")
        if asked and self.behaviour.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        end = len(content)
        if self.behaviour.cut_after:
            end = min(end, start + self.behaviour.cut_after.pop(0))
            handler.close_connection = True
        handler.wfile.write(content[start:end])

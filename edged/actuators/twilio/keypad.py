"""Where Twilio tells which key was pressed in a call: a small HTTP server, behind a proxy that does TLS."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from edged.actuators.twilio.client import signature_fits
from edged.actuators.twilio.settings import CallbackSettings

log = logging.getLogger(__name__)

# A proxy may take the folder of public_url away or leave it.
_PATH = re.compile(r"(?:/[^?#]*)?/keypad/([A-Za-z0-9_-]{8,64})")
_LARGEST_BODY_BYTES = 16 * 1024
_MOST_FIELDS = 100
_MOST_AT_ONCE = 16
_REQUEST_SECONDS = 10.0
_LOG_SECONDS = 60.0


class KeypadServer:
    """Listens from the start until `close`. problem: why it does not; empty when it does."""

    def __init__(self, settings: CallbackSettings, token: str, pressed: Callable[[str, str], str]) -> None:
        """token: what Twilio signs with. pressed: given what `url` was made from and the key that was pressed, "" for
        none, returns the TwiML that answers; called on threads of the server.
        """
        self._public_url = settings.public_url
        self._token = token
        self._pressed = pressed
        self._logged_steady = float("-inf")
        self.problem = ""
        self._server: _Server | None = None
        try:
            self._server = _Server((settings.host, settings.port), self._answer)
        except OSError as error:
            where = f"{settings.host}:{settings.port}"
            self.problem = (
                f"keys in calls are not heard: {where} cannot be listened at: {error.strerror} (twilio.callback)"
            )
            log.error("%s", self.problem)
            return
        self._thread = threading.Thread(target=self._server.serve_forever, name="keypad", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        return 0 if self._server is None else int(self._server.server_address[1])

    def url(self, keypad: str) -> str:
        """Where Twilio calls back for this one."""
        return f"{self._public_url}/keypad/{keypad}"

    def close(self) -> None:
        """Stop listening. Asked again it does nothing."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self._thread.join(_REQUEST_SECONDS)

    def _answer(self, path: str, body: bytes, signature: str) -> tuple[HTTPStatus, str]:
        found = _PATH.fullmatch(path)
        if found is None:
            return HTTPStatus.NOT_FOUND, ""
        try:
            params = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError:
            return HTTPStatus.BAD_REQUEST, ""
        if not signature or not signature_fits(self._token, self.url(found[1]), params, signature):
            self._refused()
            return HTTPStatus.FORBIDDEN, ""
        return HTTPStatus.OK, self._pressed(found[1], params.get("Digits", ""))

    def _refused(self) -> None:
        """Told once a minute, or whoever knocks fills the disk."""
        now = time.monotonic()
        if now - self._logged_steady >= _LOG_SECONDS:
            self._logged_steady = now
            log.warning(
                "a callback was refused: Twilio has not signed it, or not for %s (twilio.callback.public_url must be "
                "what Twilio calls)",
                self._public_url,
            )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Else `close` would wait for a connection that says nothing.
    block_on_close = False

    def __init__(self, address: tuple[str, int], answer: Callable[[str, bytes, str], tuple[HTTPStatus, str]]) -> None:
        self.answer = answer
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        # Whoever breaks off gets no traceback into our log, which could quote what was sent.
        log.debug("a callback broke off")


class _Handler(BaseHTTPRequestHandler):
    server_version = "edged"
    sys_version = ""
    timeout = _REQUEST_SECONDS
    server: _Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY_BYTES:
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "")
            return
        body = self.rfile.read(int(length))
        self._send(*self.server.answer(self.path, body, self.headers.get("X-Twilio-Signature", "")))

    def log_message(self, *arguments: Any) -> None:
        """The address has a secret in it; what matters is logged elsewhere."""

    def _send(self, status: HTTPStatus, document: str) -> None:
        body = document.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

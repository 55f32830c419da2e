"""A web server for a few small pages, on one thread, that nobody can keep busy, fill up or hold up.

One request a connection, GET or HEAD. Whoever is slow, sends rubbish, or opens connections by the thousand loses
them: each has its time and its room, the oldest goes when there are too many, and so many are taken a second.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from edged.notices import BUG

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 32
HEAD_BYTES = 8192
# For a whole request, and then for the whole answer.
PATIENCE_SECONDS = 5.0
MOST_A_SECOND = 200
# The listening socket is tried again after this: somebody else has the port, or the address is not there yet.
RETRY_SECONDS = 15.0

# After the answer: what else was sent is read, or the kernel would throw the answer away with it.
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 64 * 1024 * 1024
_READ_BYTES = 65536
_BACKLOG = 128
# No more descriptors, say: the connection that waits would wake us at once again.
_ACCEPT_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class _Connection:
    def __init__(self, peer: socket.socket, now: float) -> None:
        self.peer = peer
        self.deadline = now + PATIENCE_SECONDS
        self.head = bytearray()
        self.answer: memoryview | None = None
        self.linger_bytes: int | None = None


class HttpServer:
    """Answers from a thread of its own. `start`, `stop` and the properties are for the thread that made it.

    pages: is called on the server's thread with the path; None: there is no such page.
    """

    def __init__(self, address: str, port: int, pages: Callable[[str], Answer | None]) -> None:
        self._address = ipaddress.ip_address(address)
        self._port = port
        self._pages = pages
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._listening = False
        self._listen_at = 0.0
        self._accepted = 0
        self._window_at = 0.0
        # In the order they came.
        self._connections: dict[_Connection, None] = {}
        self._stop_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._stop_fd, selectors.EVENT_READ)
        self._stopping = False
        self._stopped = False
        self._error: OSError | None = None
        self._bug_told = False
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Listen, now or as soon as that is possible, and answer."""
        self._bind(time.monotonic())
        self._thread.start()

    def stop(self, timeout_seconds: float = 1.0) -> None:
        """End, within the time given."""
        if self._stopped:
            return
        self._stopped = True
        os.eventfd_write(self._stop_fd, 1)
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        else:
            self._close()
        if not self._thread.is_alive():
            os.close(self._stop_fd)

    @property
    def port(self) -> int:
        """The port it listens on, 0 while it does not."""
        listener = self._listener
        with contextlib.suppress(OSError):
            return int(listener.getsockname()[1]) if listener is not None else 0
        return 0

    @property
    def error(self) -> OSError | None:
        """Why it does not listen; it is tried again."""
        return self._error

    # -- the server's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turn()
        except Exception:
            log.exception("internal error in the web server: no metrics any more", extra=BUG.extra())
            self._error = OSError("edged has a bug (see the log)")
        finally:
            self._close()

    def _close(self) -> None:
        for connection in list(self._connections):
            self._drop(connection)
        if self._listener is not None:
            self._listener.close()
        self._selector.close()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._patience(time.monotonic())):
            now = time.monotonic()
            if key.fileobj == self._stop_fd:
                self._stopping = True
            elif isinstance(key.data, _Connection):
                if key.data in self._connections:  # not dropped in this very turn
                    self._serve(key.data, now)
            else:
                self._accept(now)
        now = time.monotonic()
        for connection in [each for each in self._connections if each.deadline <= now]:
            self._drop(connection)
        if not self._listening and now >= self._listen_at:
            self._listen(now)

    def _patience(self, now: float) -> float | None:
        moments = [each.deadline for each in self._connections]
        if not self._listening:
            moments.append(self._listen_at)
        return max(0.0, min(moments) - now) if moments else None

    def _listen(self, now: float) -> None:
        if self._listener is None:
            self._bind(now)
        else:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._listening = True

    def _bind(self, now: float) -> None:
        family = socket.AF_INET if self._address.version == 4 else socket.AF_INET6
        try:
            listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                # Connections of a daemon that just ended would else keep the port for a minute.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((str(self._address), self._port))
                listener.listen(_BACKLOG)
            except OSError:
                listener.close()
                raise
        except OSError as error:
            if self._error is None or self._error.errno != error.errno:
                log.warning("no metrics at %s:%d: %s; trying again", self._address, self._port, error.strerror)
            self._error = error
            self._listen_at = now + RETRY_SECONDS
            return
        self._error = None
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        self._listening = True
        host = f"[{self._address}]" if self._address.version == 6 else str(self._address)
        log.info("metrics at http://%s:%d/metrics", host, self.port)

    def _accept(self, now: float) -> None:
        assert self._listener is not None
        if now >= self._window_at + 1.0:
            self._window_at, self._accepted = now, 0
        pause_until = self._window_at + 1.0
        while self._accepted < MOST_A_SECOND:
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it was taken back before we looked
            except OSError as error:
                log.warning("the web server cannot take a connection: %s", error.strerror)
                pause_until = now + _ACCEPT_PAUSE_SECONDS
                break
            self._accepted += 1
            peer.setblocking(False)
            if len(self._connections) >= MOST_CONNECTIONS:
                self._make_room(now)
            connection = _Connection(peer, now)
            self._connections[connection] = None
            self._selector.register(peer, selectors.EVENT_READ, connection)
        self._selector.unregister(self._listener)
        self._listening = False
        self._listen_at = pause_until

    def _make_room(self, now: float) -> None:
        oldest = next(iter(self._connections))
        # Many may have come in one turn: whoever asked at once has an answer, and only the silent ones lose.
        self._serve(oldest, now)
        if oldest in self._connections:
            self._drop(oldest)

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection]
        self._selector.unregister(connection.peer)
        connection.peer.close()

    def _serve(self, connection: _Connection, now: float) -> None:
        try:
            if connection.answer is not None:
                self._send(connection, now)
            elif connection.linger_bytes is not None:
                self._linger(connection)
            else:
                self._receive(connection, now)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)

    def _receive(self, connection: _Connection, now: float) -> None:
        # One more than a head may be long, and we know enough.
        data = connection.peer.recv(HEAD_BYTES + 1 - len(connection.head))
        if not data:
            self._drop(connection)
            return
        connection.head += data
        head, found, _ = bytes(connection.head).partition(b"\r\n\r\n")
        if found:
            reply = self._reply(head)
        elif len(connection.head) > HEAD_BYTES:
            reply = _written(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), with_body=True)
        else:
            return
        connection.head.clear()
        connection.answer = memoryview(reply)
        connection.deadline = now + PATIENCE_SECONDS
        self._selector.modify(connection.peer, selectors.EVENT_WRITE, connection)
        self._send(connection, now)

    def _send(self, connection: _Connection, now: float) -> None:
        assert connection.answer is not None
        connection.answer = connection.answer[connection.peer.send(connection.answer) :]
        if not connection.answer:
            connection.answer = None
            connection.linger_bytes = _LINGER_BYTES
            connection.deadline = now + _LINGER_SECONDS
            connection.peer.shutdown(socket.SHUT_WR)
            self._selector.modify(connection.peer, selectors.EVENT_READ, connection)

    def _linger(self, connection: _Connection) -> None:
        assert connection.linger_bytes is not None
        data = connection.peer.recv(_READ_BYTES)
        connection.linger_bytes -= len(data)
        if not data or connection.linger_bytes <= 0:
            self._drop(connection)

    def _reply(self, head: bytes) -> bytes:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _written(_plain(HTTPStatus.BAD_REQUEST), with_body=True)
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return _written(_plain(HTTPStatus.METHOD_NOT_ALLOWED), with_body=True, more="Allow: GET, HEAD\r\n")
        return _written(self._answer(lines, target), with_body=method == "GET")

    def _answer(self, lines: list[str], target: str) -> Answer:
        if self._address.is_loopback and not _names_loopback(lines[1:]):
            # A page in a browser on this machine could else read along, with a name of its own for our address
            # (DNS rebinding).
            return _plain(HTTPStatus.MISDIRECTED_REQUEST)
        try:
            path = urlsplit(target).path
        except ValueError:
            return _plain(HTTPStatus.BAD_REQUEST)
        try:
            return self._pages(path) or _plain(HTTPStatus.NOT_FOUND)
        except Exception:
            if not self._bug_told:
                self._bug_told = True
                log.exception("internal error in a page of the web server", extra=BUG.extra())
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _names_loopback(headers: list[str]) -> bool:
    for header in headers:
        name, _, value = header.partition(":")
        if name.strip().lower() == "host":
            try:
                host = urlsplit(f"//{value.strip()}").hostname or ""
                return host == "localhost" or ipaddress.ip_address(host).is_loopback
            except ValueError:
                return False
    return True


def _plain(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.value} {status.phrase}\n".encode())


def _written(answer: Answer, *, with_body: bool, more: str = "") -> bytes:
    status = HTTPStatus(answer.status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (answer.body if with_body else b"")

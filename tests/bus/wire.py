"""A wire to the broker that can be cut in the middle of a packet: a TCP relay."""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Wire:
    """Relays one connection after another to `target_port`; `cut_after` breaks the present one at a byte count."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._left: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut_after(self, byte_count: int) -> None:
        """Break the connection when so many more bytes have passed, either way."""
        self._left = byte_count

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._listener.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                near, _ = self._listener.accept()
                with near, socket.create_connection(("127.0.0.1", self._target_port)) as far:
                    self._relay(near, far)

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        for each in other:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._stopping.is_set():
            for ready in select.select(list(other), [], [], 0.05)[0]:
                data = ready.recv(4096)
                if not data:
                    return
                left = self._left
                if left is not None and len(data) >= left:
                    other[ready].sendall(data[:left])
                    self._left = None
                    self.cuts += 1
                    return
                if left is not None:
                    self._left = left - len(data)
                other[ready].sendall(data)

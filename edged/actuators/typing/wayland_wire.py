"""The little of the Wayland wire protocol that a virtual keyboard needs: objects, requests, one round trip.

The format is that of "The Wayland Protocol", chapter 4: 32-bit words in the machine's byte order, an object number, a
word of length and opcode, arguments; file descriptors travel beside them.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

from edged.errors import KeyboardBlocked, KeyboardUnavailable

_DISPLAY, _REGISTRY = 1, 2
_DISPLAY_SYNC, _DISPLAY_GET_REGISTRY, _REGISTRY_BIND = 0, 1, 0
_BACKEND = "wayland"


def socket_path(name: str | None = None) -> Path | None:
    """Where the compositor listens, by `WAYLAND_DISPLAY` and `XDG_RUNTIME_DIR`; None where there is no session."""
    display = name or os.environ.get("WAYLAND_DISPLAY", "")
    if not display:
        return None
    return Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere")) / display  # an absolute name stays as it is


class Wire:
    """A connection to a compositor. `interfaces` are what it offers: name → (number, version).

    Raises KeyboardUnavailable when the compositor is not there or ends the connection, with what it said, and
    KeyboardBlocked when it does not answer within `patience_seconds`.
    """

    def __init__(self, path: Path, *, patience_seconds: float = 2.0) -> None:
        self._patience_seconds = patience_seconds
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(patience_seconds)
        self._received = b""
        self._next_object = _REGISTRY + 1
        self._waiting_for = 0
        self._answered = False
        self.interfaces: dict[str, tuple[int, int]] = {}
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise KeyboardUnavailable(
                _BACKEND,
                f"the compositor at {path} cannot be reached: {error.strerror or error}",
                "WAYLAND_DISPLAY and XDG_RUNTIME_DIR must be the session's",
            ) from error
        try:
            self.request(_DISPLAY, _DISPLAY_GET_REGISTRY, struct.pack("=I", _REGISTRY))
            self.round_trip()
        except BaseException:
            self._socket.close()
            raise

    def bind(self, interface: str, version: int = 1) -> int:
        """A new object of a global interface, which must be among `interfaces`."""
        number, _ = self.interfaces[interface]
        created = self.new_object()
        name = interface.encode() + b"\0"
        arguments = struct.pack("=II", number, len(name)) + name.ljust(-(-len(name) // 4) * 4, b"\0")
        self.request(_REGISTRY, _REGISTRY_BIND, arguments + struct.pack("=II", version, created))
        return created

    def new_object(self) -> int:
        """A number for an object that a request creates."""
        self._next_object += 1
        return self._next_object - 1

    def request(self, target: int, opcode: int, arguments: bytes = b"", descriptor: int | None = None) -> None:
        """One request; `arguments` are packed already."""
        message = struct.pack("=II", target, (8 + len(arguments)) << 16 | opcode) + arguments
        try:
            if descriptor is None:
                self._socket.sendall(message)
            else:
                socket.send_fds(self._socket, [message], [descriptor])
        except TimeoutError as error:
            raise self._blocked() from error
        except OSError as error:
            raise self._ended() from error

    def round_trip(self) -> None:
        """Until the compositor has done all that was asked."""
        self._waiting_for, self._answered = self.new_object(), False
        self.request(_DISPLAY, _DISPLAY_SYNC, struct.pack("=I", self._waiting_for))
        deadline = time.monotonic() + self._patience_seconds
        while not self._answered:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                received = self._socket.recv(65536)
            except TimeoutError as error:
                raise self._blocked() from error
            except OSError as error:
                raise self._ended() from error
            finally:
                self._socket.settimeout(self._patience_seconds)
            if not received:
                raise self._ended()
            self._received += received
            self._read_events()

    def close(self) -> None:
        """The compositor destroys all that was made here."""
        self._socket.close()

    def _read_events(self) -> None:
        while len(self._received) >= 8:
            source, word = struct.unpack_from("=II", self._received)
            length, opcode = word >> 16, word & 0xFFFF
            if len(self._received) < length:
                return
            arguments, self._received = self._received[8:length], self._received[length:]
            if source == _DISPLAY and opcode == 0:
                raise KeyboardUnavailable(_BACKEND, f"the compositor says: {_string(arguments, 8)}")
            if source == _REGISTRY and opcode == 0:
                [number] = struct.unpack_from("=I", arguments)
                interface = _string(arguments, 4)
                [version] = struct.unpack("=I", arguments[-4:])
                self.interfaces[interface] = (number, version)
            elif source == self._waiting_for:
                self._answered = True

    def _blocked(self) -> KeyboardBlocked:
        return KeyboardBlocked(_BACKEND, f"the compositor has not answered for {self._patience_seconds:g} s")

    def _ended(self) -> KeyboardUnavailable:
        return KeyboardUnavailable(_BACKEND, "the Wayland session has ended")


def _string(arguments: bytes, offset: int) -> str:
    [length] = struct.unpack_from("=I", arguments, offset)
    return arguments[offset + 4 : offset + 3 + length].decode(errors="replace")

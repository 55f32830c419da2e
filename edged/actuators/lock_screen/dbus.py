"""A D-Bus connection on which nothing waits for ever: the only file that imports jeepney.

jeepney packs and parses the messages. The socket is our own, for jeepney's says hello to the bus without a time limit, and
a bus that freezes in that moment would hold us with it.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from edged.errors import Cancelled, DBusError

_USUAL_SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
_BUS = "org.freedesktop.DBus"
# Longest time for any one question.
CALL_SECONDS = 5.0
_SLICE_SECONDS = 0.2
_INSTALL = "scripts/add lock-screen, in edged's folder"
ACCESS_DENIED = frozenset(
    {
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.AuthFailed",
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
    }
)
# As the reference implementation names it.
SILENT = "org.freedesktop.DBus.Error.NoReply"
NOBODY_THERE = frozenset(
    {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"}
)  # fmt: skip


def system_bus_address(chosen: str) -> str:
    """chosen: from the settings; empty: as the environment says, or the usual one."""
    return chosen or os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "") or _USUAL_SYSTEM_BUS


class Connection:
    """One connection, for one thread. Every method raises DBusError; one without a name says that the bus itself failed."""

    def __init__(
        self,
        address: str,
        what: str,
        *,
        starts: bool,
        call_seconds: float = CALL_SECONDS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """what: how the bus is called in errors. starts: the bus may start who is asked and is not there.

        stopping: asked while waiting; every method raises Cancelled once it says so.
        """
        try:
            import jeepney
            from jeepney.auth import BEGIN, AuthenticationError, Authenticator
            from jeepney.bus import get_bus
        except ImportError:
            raise DBusError("jeepney is not installed", _INSTALL) from None
        self._jeepney = jeepney
        self._parser = jeepney.Parser()
        self._what = what
        self._starts = starts
        self._stopping = stopping
        self._call_seconds = call_seconds
        self._serial = 0
        self._heard = False
        deadline = time.monotonic() + call_seconds
        try:
            path = get_bus(address)
        except (ValueError, RuntimeError, StopIteration):
            raise DBusError(f"{address!r} is no address of the {what}", "it is like unix:path=/run/dbus/…") from None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._within(deadline)
            self._socket.connect(path)
            self._socket.sendall(b"\0")
            authenticator = Authenticator(inc_null_byte=False)
            for line in authenticator:
                self._within(deadline)
                self._socket.sendall(line)
                authenticator.feed(self._read(deadline))
            self._socket.sendall(BEGIN)
            self.name: str = self.call(_BUS, "/org/freedesktop/DBus", _BUS, "Hello")[0]
        except (DBusError, Cancelled):
            self.close()
            raise
        except TimeoutError:
            self.close()
            raise DBusError(f"{what} does not answer") from None
        except (FileNotFoundError, ConnectionRefusedError):
            self.close()
            raise DBusError(f"there is no {what} at {address}") from None
        except AuthenticationError:
            self.close()
            raise DBusError(f"{what} at {address} does not let this user in") from None
        except OSError as error:
            self.close()
            raise DBusError(f"{what} at {address} cannot be used: {error.strerror}") from None

    def call(
        self, service: str, path: str, interface: str, method: str, signature: str | None = None, *arguments: Any
    ) -> tuple[Any, ...]:
        """Ask, and have the answer."""
        address = self._jeepney.DBusAddress(path, bus_name=service, interface=interface)
        message = self._jeepney.new_method_call(address, method, signature, arguments)
        if not self._starts:
            message.header.flags = self._jeepney.MessageFlag.no_auto_start
        self._serial += 1
        serial = self._serial
        deadline = time.monotonic() + self._call_seconds
        try:
            self._within(deadline)
            self._socket.sendall(message.serialise(serial=serial))
            while True:
                answer = self._receive(deadline)
                if answer.header.fields.get(self._jeepney.HeaderFields.reply_serial) == serial:
                    break
                self._note(answer)
        except TimeoutError:
            raise DBusError(f"{service} does not answer within {self._call_seconds:g} s", name=SILENT) from None
        except OSError as error:
            raise DBusError(f"{self._what} is gone: {error.strerror}") from None
        if answer.header.message_type is self._jeepney.MessageType.error:
            raise self._refusal(service, answer)
        body: tuple[Any, ...] = answer.body
        return body

    def properties(self, service: str, path: str, interface: str) -> dict[str, Any]:
        """All properties of an object, without their types."""
        (found,) = self.call(service, path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface)
        return {name: value for name, (_, value) in found.items()}

    def has_owner(self, service: str) -> bool:
        """Is anybody there of that name?"""
        return bool(self.call(_BUS, "/org/freedesktop/DBus", _BUS, "NameHasOwner", "s", service)[0])

    def listen(self, rule: str) -> None:
        """From now on `wait` wakes for signals that this match rule covers."""
        self.call(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", rule)

    def wait(self, seconds: float, wake_fd: int) -> None:
        """Until a signal comes, the descriptor can be read, or the time is over."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(wake_fd, select.POLLIN)
        try:
            while not self._heard:
                ready = {fd for fd, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
                if self._socket.fileno() not in ready:
                    break
                self._parser.add_data(self._read(deadline))
                while (message := self._parser.get_next_message()) is not None:
                    self._note(message)
        except TimeoutError:
            pass  # half a message; the rest comes later
        except OSError as error:
            raise DBusError(f"{self._what} is gone: {error.strerror}") from None
        self._heard = False

    def close(self) -> None:
        """Asked again it does nothing."""
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _refusal(self, service: str, answer: Any) -> DBusError:
        name = str(answer.header.fields.get(self._jeepney.HeaderFields.error_name, ""))
        words = str(answer.body[0]) if answer.body and isinstance(answer.body[0], str) else name
        if name in NOBODY_THERE:
            return DBusError(f"nobody is there as {service}", name=name)
        return DBusError(f"{service}: {words}", name=name)

    def _note(self, message: Any) -> None:
        if message.header.message_type is self._jeepney.MessageType.signal:
            self._heard = True

    def _receive(self, deadline: float) -> Any:
        while (message := self._parser.get_next_message()) is None:
            self._parser.add_data(self._read(deadline))
        return message

    def _read(self, deadline: float) -> bytes:
        while not select.select([self._socket], [], [], _SLICE_SECONDS)[0]:
            self._within(deadline)
            if self._stopping():
                raise Cancelled(f"stopped while waiting for {self._what}")
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError(104, "the connection was closed")
        return data

    def _within(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

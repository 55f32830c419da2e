"""A real dbus-daemon of our own, and objects that live on it: the protocol is real, the desktop behind it is not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow own="*"/><allow user="*"/>
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy>
</busconfig>
"""


def wait_until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


class BusDaemon:
    """Started with `start`; can be killed, frozen, and started again at the same address."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("dbus-daemon") is None:
            pytest.skip("dbus-daemon is not installed (package dbus-daemon)")
        self._socket = folder / f"{name}.socket"
        self._config = folder / f"{name}.conf"
        self.address = f"unix:path={self._socket}"
        self._config.write_text(_CONFIG.format(address=self.address), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--nopidfile", "--print-address=1"],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith(b"unix:")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self.thaw()
            self.kill()


class Refuses(Exception):
    """What a stand-in answers with an error."""

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        super().__init__(words)


class Service(ABC):
    """Who answers on a bus. Subclasses answer in `answer(path, interface, member, arguments)`.

    silent: hears and does not answer. calls: all that was asked, as `Interface.Member`.
    """

    names: tuple[str, ...] = ()

    def __init__(self, bus: BusDaemon) -> None:
        from jeepney import DBus, MessageType
        from jeepney.io.blocking import open_dbus_connection

        self._method_call = MessageType.method_call
        self.guard = threading.RLock()
        self.silent = False
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._connection = open_dbus_connection(bus.address)
        for name in self.names:
            reply = self._connection.send_and_get_reply(DBus().RequestName(name), timeout=5)
            assert reply.body == (1,)
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @abstractmethod
    def answer(self, path: str, interface: str, member: str, arguments: tuple[Any, ...]) -> tuple[str | None, Any]:
        """A reply's signature, None for an empty one, and its body. Raises Refuses for an error."""

    def emit(self, path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        from jeepney import DBusAddress, new_signal

        with self.guard:
            self._connection.send(new_signal(DBusAddress(path, interface=interface), member, signature, body))

    def asked(self, member: str) -> int:
        """How often."""
        with self.guard:
            return sum(name.endswith(f".{member}") for name, _ in self.calls)

    def close(self) -> None:
        self._ending = True
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        from jeepney import HeaderFields, new_error, new_method_return

        while not self._ending:
            try:
                message = self._connection.receive(timeout=0.05)
            except TimeoutError:
                continue
            except OSError:
                return
            if message.header.message_type is not self._method_call:
                continue
            fields = message.header.fields
            path, interface, member = (
                fields[HeaderFields.path], fields.get(HeaderFields.interface, ""), fields[HeaderFields.member]
            )  # fmt: skip
            with self.guard:
                self.calls.append((f"{interface}.{member}", tuple(message.body)))
                if self.silent:
                    continue
                try:
                    signature, body = self.answer(path, interface, member, tuple(message.body))
                    reply = new_method_return(message, signature, () if signature is None else (body,))
                except Refuses as error:
                    reply = new_error(message, error.name, "s", (str(error),))
                try:
                    self._connection.send(reply)
                except OSError:
                    return

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from edged.actuators.lock_screen.dbus import Connection
from edged.errors import DBusError
from tests.actuators.lock_screen.buses import BusDaemon
from tests.actuators.lock_screen.standins import FakeLogind


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jeepney", None)
    with pytest.raises(DBusError, match=r"jeepney is not installed \(scripts/add lock-screen"):
        Connection("unix:path=/x", "system bus", starts=True)


@pytest.mark.parametrize("address", ["nonsense", "tcp:host=localhost,port=1", "unix:dir=/tmp", ""])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(DBusError, match="is no address of the system bus"):
        Connection(address, "system bus", starts=True)


def test_a_bus_that_lets_nobody_in_is_told(short: Path) -> None:
    path = short / "strict.socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def refuse() -> None:
            with server.accept()[0] as caller:
                caller.recv(1024)
                caller.sendall(b"REJECTED EXTERNAL\r\n")
                caller.recv(1024)

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(DBusError, match=r"session bus at .* does not let this user in"):
            Connection(f"unix:path={path}", "session bus", starts=False)
        thread.join()


def test_a_bus_that_hangs_up_in_the_middle_is_told(logind: FakeLogind, system_bus: BusDaemon) -> None:
    connection = Connection(system_bus.address, "system bus", starts=True)
    system_bus.kill()
    with pytest.raises(DBusError, match="system bus is gone"):
        connection.has_owner("org.freedesktop.login1")
    connection.close()
    connection.close()


def test_whoever_does_not_answer_is_given_up(logind: FakeLogind, system_bus: BusDaemon) -> None:
    logind.silent = True
    with (
        Connection(system_bus.address, "system bus", starts=True, call_seconds=0.3) as connection,
        pytest.raises(DBusError, match=r"org\.freedesktop\.login1 does not answer within 0\.3 s"),
    ):
        connection.properties("org.freedesktop.login1", logind.sessions["1"].path, "org.freedesktop.login1.Session")


def test_a_late_answer_is_not_taken_for_another(logind: FakeLogind, system_bus: BusDaemon) -> None:
    path, name = logind.sessions["1"].path, "org.freedesktop.login1.Session"
    with Connection(system_bus.address, "system bus", starts=True, call_seconds=0.3) as connection:
        with logind.guard, pytest.raises(DBusError):  # it answers once the guard is given back
            connection.properties("org.freedesktop.login1", path, name)
        assert connection.has_owner("org.freedesktop.login1") is True
        assert connection.properties("org.freedesktop.login1", path, name)["Name"] == "anna"


def test_waiting_ends_with_a_signal_with_the_descriptor_and_with_the_time(
    logind: FakeLogind, system_bus: BusDaemon
) -> None:
    reader, writer = os.pipe()
    with Connection(system_bus.address, "system bus", starts=True) as connection:
        connection.wait(0.05, reader)
        connection.listen("type='signal',interface='org.freedesktop.DBus.Properties'")
        connection.wait(0.05, reader)
        logind.hint("1", locked=True)
        connection.wait(60, reader)
        os.write(writer, b"x")
        connection.wait(60, reader)
    os.close(reader)
    os.close(writer)

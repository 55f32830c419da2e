from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.actuators.lock_screen.settings import LockScreenSettings
from tests.actuators.lock_screen.buses import BusDaemon, Service
from tests.actuators.lock_screen.standins import FakeLogind, Seated

Make = Callable[..., Any]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="edged-dbus-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def system_bus(short: Path) -> Iterator[BusDaemon]:
    bus = BusDaemon(short, "system")
    bus.start()
    yield bus
    bus.close()


@pytest.fixture
def session_bus(short: Path) -> Iterator[BusDaemon]:
    bus = BusDaemon(short, "session")
    bus.start()
    yield bus
    bus.close()


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes services on a bus, and ends them."""
    made: list[Service] = []

    def _make(kind: Callable[..., Service], *arguments: Any, **more: Any) -> Service:
        service = kind(*arguments, **more)
        made.append(service)
        return service

    yield _make
    for service in made:
        service.close()


@pytest.fixture
def logind(system_bus: BusDaemon, make: Make) -> FakeLogind:
    """With one session: Anna's desktop, who is us."""
    found: FakeLogind = make(FakeLogind, system_bus, Seated("1"))
    return found


@pytest.fixture
def settings(system_bus: BusDaemon, short: Path) -> Callable[..., LockScreenSettings]:
    """Settings for these buses; without a session bus, unless it is asked for."""

    def _settings(**more: Any) -> LockScreenSettings:
        given = {
            "user": "anna",
            "system_bus": system_bus.address,
            "session_bus": f"unix:path={short}/none",
            "verify_seconds": 1.0,
            "pause_seconds": 0.05,
            # Somebody's may run on this machine.
            "lockers": [],
        }
        return LockScreenSettings(**{**given, **more})

    return _settings

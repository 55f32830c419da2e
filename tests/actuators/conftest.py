from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.errors import BrokerError
from tests.actuators.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A broker that remembers, and everything for an actuator; nothing of it runs but broker and listener."""
    try:
        broker = PrivateBroker(persistent=True)
    except BrokerError as error:
        pytest.skip(str(error))
    with broker:
        made = Stage(tmp_path, broker)
        made.listener.start()
        try:
            made.listener.wait_ready(10)
            yield made
        finally:
            made.close()

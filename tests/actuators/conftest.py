from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actuators.stage import Stage
from tests.brokers import broker_here


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A broker that remembers, and everything for an actuator; nothing of it runs but broker and listener."""
    broker = broker_here(persistent=True)
    with broker:
        made = Stage(tmp_path, broker)
        made.listener.start()
        try:
            made.listener.wait_ready(10)
            yield made
        finally:
            made.close()

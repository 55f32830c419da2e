"""What tests of the set-up share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edged.bus.private_broker import PrivateBroker
from tests.brokers import broker_here


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    running = broker_here()
    with running:
        yield running

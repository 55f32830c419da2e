"""What tests of the set-up share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.errors import BrokerError


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    try:
        running = PrivateBroker()
    except BrokerError as error:
        pytest.skip(str(error))
    with running:
        yield running

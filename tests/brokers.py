"""A real mosquitto of a test's own, where the machine has one."""

from __future__ import annotations

from typing import Any

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.errors import BrokerError


def broker_here(**options: Any) -> PrivateBroker:
    """Not started yet; skips where mosquitto is not installed. `options` are PrivateBroker's."""
    try:
        return PrivateBroker(**options)
    except BrokerError as error:
        pytest.skip(str(error))

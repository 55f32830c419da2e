"""What the demo hands to the daemon it starts."""

from __future__ import annotations

from edged.demo.stage import _environment


def test_somebodys_own_broker_is_nothing_to_the_demo() -> None:
    given = {"PATH": "/bin", "EDGED_MQTT__PREFIX": "home", "edged_mqtt__password": "hunter2", "EDGED_MODELS_DIR": "/m"}
    assert _environment(given) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}

"""The broker's password: from the settings, a file, or a systemd credential. Read afresh for each connection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edged.errors import BrokerError
from edged.settings import MqttSettings

CREDENTIAL = "mqtt_password"


def password(settings: MqttSettings, environment: Mapping[str, str] = os.environ) -> str | None:
    """The password to log in with, or None.

    Order: `password`, `password_file` (first line), `$CREDENTIALS_DIRECTORY/mqtt_password`.
    Raises BrokerError, which names the file and never its content.
    """
    if settings.password is not None:
        return settings.password.get_secret_value()
    if settings.password_file is not None:
        return _first_line(settings.password_file)
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / CREDENTIAL).exists():
        return _first_line(Path(directory) / CREDENTIAL)
    return None


def _first_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BrokerError(
            f"the MQTT password file {path} cannot be read: {error.strerror} (make it readable for this user)"
        ) from None
    except UnicodeDecodeError:
        # `from None`: the exception carries the bytes.
        raise BrokerError(f"the MQTT password file {path} is not UTF-8 text") from None
    if not lines or not lines[0]:
        raise BrokerError(f"the MQTT password file {path} is empty (its first line is the password)")
    return lines[0]

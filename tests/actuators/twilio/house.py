"""A house with an actuator that reaches people through the stand-in: settings, credentials, and who listens."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edged.actuators.loading import load_actuator
from edged.actuators.options import read_options
from edged.actuators.performer import Control, Text, Wish
from edged.actuators.settings import ActuatorSettings
from edged.actuators.twilio.actions import ACTIONS
from edged.actuators.twilio.performer import TwilioPerformer
from edged.bus.private_broker import PrivateBroker
from edged.errors import ActionFailed, Later
from tests.actuators.stage import ROOT, Stage
from tests.actuators.twilio.stand_in import ACCOUNT, TOKEN, StandIn

DAUGHTER, SON, NURSE, OURS = "+491701234567", "+491707654321", "+4915112344321", "+4930901820123"
_NUMBERS = itertools.count(1)
SETTINGS = f"""
kind = "twilio"
queue_length = 300

[signing]
required = false

[retry]
first_seconds = 0.1
longest_seconds = 1

[twilio]
credentials_file = "twilio.credentials"
from_number = "{OURS}"
whatsapp_from = "{OURS}"
timeout_seconds = 0.5
settle_seconds = 0.3
follow_seconds = 20
voice = "Polly.Amy"

[twilio.breaker]
open_seconds = 0.3
longest_seconds = 1

[twilio.recipients.daughter]
number = "{DAUGHTER}"
limit = 1000

[twilio.recipients.son]
number = "{SON}"
limit = 1000

[twilio.recipients.nurse]
number = "{NURSE}"
language = "de-DE"
limit = 1000

[twilio.templates]
fall = "{{who}} may have fallen in the {{place.room}} ({{{{sic}}}})"

[twilio.templates.approved]
text = "Help for {{who}}"
content_sid = "HX0123456789abcdef0123456789abcdef"
content_variables = {{ "1" = "{{who}}" }}

[[twilio.chains.fall]]
do = "sms"
to = "daughter"
wait_seconds = 2

[[twilio.chains.fall]]
do = "call"
to = "son"
wait_seconds = 2

[[twilio.chains.fall]]
do = "whatsapp"
to = "nurse"
wait_seconds = 3
"""


def credentials_file(folder: Path, token: str = TOKEN) -> Path:
    path = folder / "twilio.credentials"
    path.touch(mode=0o600)
    path.write_text(f"# from the console\nTWILIO_ACCOUNT_SID={ACCOUNT}\nTWILIO_AUTH_TOKEN={token}\n", encoding="ascii")
    return path


def settings_file(folder: Path, text: str = SETTINGS) -> Path:
    path = folder / "twilio.toml"
    path.write_text(text, encoding="utf-8")
    return path


def settings(folder: Path, overrides: Mapping[str, Any] | None = None, text: str = SETTINGS) -> ActuatorSettings:
    """As the actuator would read them. Raises SettingsError."""
    credentials_file(folder)
    chosen = {"store.directory": str(folder / "state"), **(overrides or {})}
    return load_actuator("alarm", settings_file(folder, text), chosen, {}).settings


class Patience:
    """A Control nobody has told to stop, until somebody does."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def stopping(self) -> bool:
        return self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds)


def wish(action: str, text: str | None = None, *, life_seconds: float = 60.0, **options: Any) -> Wish:
    """As the engine would hand it over."""
    words = None if text is None else Text(text)
    read = read_options(ACTIONS[action], options)
    now = time.time()
    return Wish(f"job-{next(_NUMBERS):04}", action, words, read, now, now + life_seconds)


def outcome(performer: TwilioPerformer, what: Wish, control: Control | None = None, seconds: float = 30.0) -> str:
    """Give a job its turns until it ends, as the engine would: what was done. Raises what ended it."""
    control, deadline = control or Patience(), time.monotonic() + seconds
    performer.check(what)
    while True:
        try:
            return performer.perform(what, control)
        except Later as pause:
            seconds = min(pause.seconds, 0.1)
        except ActionFailed as error:
            if not error.retry:
                raise
            seconds = min(error.retry_after_seconds or 0.1, 0.3)
            what = replace(what, attempt=what.attempt + 1)
        assert time.monotonic() < deadline, "it does not come to an end"
        time.sleep(seconds)


class House(Stage):
    """A Stage whose actuator is Twilio's, started as people start it."""

    def __init__(self, folder: Path, broker: PrivateBroker, twilio: StandIn) -> None:
        super().__init__(folder, broker, "alarm")
        self.twilio = twilio
        credentials_file(folder)
        self.file = settings_file(folder)
        self.settings = {key: value for key, value in self.settings.items() if not key.startswith(("toy", "kind"))}
        self.settings |= {"twilio.api_url": twilio.url, "signing.required": True, "log.level": "debug"}

    def start(self, name: str | None = None, *, wait: bool = True, **changes: Any) -> subprocess.Popen[bytes]:
        chosen = self.settings | {key.replace("__", "."): value for key, value in changes.items()}
        parts = [
            each
            for key, value in chosen.items()
            for each in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        ]
        already = len(self.all("health"))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TWILIO_")}
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "edged", "actuator", "run", self.name, "-c", str(self.file), *parts],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        self._started.append(process)
        self.process = process
        if wait:
            self.until(lambda: len(self.all("health")) > already and self.online())
        return process

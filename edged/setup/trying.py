"""Does an answer hold: does a picture come, does the broker let us in?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec

from edged.bus.subscriber import Subscriber
from edged.capture.source import redact
from edged.doctor.examination import probe
from edged.errors import BrokerError, EdgedError, SourceError
from edged.settings import CaptureSettings, MqttSettings
from edged.topics import camera_topic

BROKER_SECONDS = 3.0


@dataclass(frozen=True)
class Tried:
    """what: one sentence, of success or of what is wrong and what to do. refused: the broker wants to know who we are."""

    ok: bool
    what: str
    refused: bool = False
    busy: bool = False


def try_camera(capture: CaptureSettings) -> Tried:
    """Take a picture, in a process of its own, which a bad driver may crash or hang."""
    answer = probe("camera", capture.model_dump(mode="json"))
    what, cure = redact(str(answer["what"])), str(answer.get("cure") or "")
    if answer["ok"]:
        return Tried(True, what)
    return Tried(False, f"{what} ({cure})" if cure else what, busy="busy" in what)


def try_broker(mqtt: MqttSettings, camera: str) -> Tried:
    """Log in as the daemon will, and subscribe as the doctor does."""
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        with Subscriber(mqtt, [camera_topic(mqtt.prefix, camera, "availability")], patience_seconds=BROKER_SECONDS):
            pass
    except BrokerError as error:
        text = str(error)
        return Tried(False, text, refused="user name" in text or "not authori" in text)
    return Tried(True, f"the broker at {where} lets us in")


def first_health(mqtt: MqttSettings, camera: str, seconds: float) -> str:
    """What the daemon says of itself once it is well, or the last that it said; empty if nothing came in time."""
    topic = camera_topic(mqtt.prefix, camera, "health")
    deadline = time.monotonic() + seconds
    said: dict[str, Any] = {}
    try:
        # What was retained is of the daemon before this one.
        with Subscriber(mqtt, [topic], patience_seconds=BROKER_SECONDS, replay=False) as subscriber:
            while said.get("status") != "ok" and (left := deadline - time.monotonic()) > 0:
                if (message := subscriber.receive(left)) is not None and message.payload:
                    said = msgspec.json.decode(message.payload)
    except EdgedError as error:
        return str(error)
    if not said:
        return ""
    if said["status"] == "ok":
        return f"{said['frames_per_second']:.1f} pictures a second"
    return ": ".join([str(said["status"]), "; ".join(map(str, said.get("reasons") or []))]).rstrip(": ")


def status_of(tried_camera: bool) -> int:
    """The exit status that says which test failed (see errors.py)."""
    return SourceError.exit_status if tried_camera else BrokerError.exit_status

"""The topic table: every MQTT topic edged uses, who writes it, how, and what it carries.

Nothing else spells a topic. `docs/asyncapi.yaml` is generated from this table and the models of `events.py` and `states.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from edged import events, jobs, states

NAME_PATTERN = re.compile(r"[a-z0-9_-]{1,64}")

COMMANDS = ("restart", "pause", "resume", "snapshot", "reconnect", "challenge")
# What only whoever has the key may ask (docs/security-policy.md).
SIGNED_COMMANDS = ("release", "unlocked", "people", "enroll", "forget", "name")
ASPECTS = {
    "presence": states.PresenceState,
    "gaze": states.GazeState,
    "eyes": states.EyesState,
    "identity": states.IdentityState,
    "liveness": states.LivenessState,
    "objects": states.ObjectsState,
    "security": states.SecurityState,
}


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request on `command/{name}`; `transaction` is echoed in the response.

    Nothing else is taken: a `pause` with a mistyped `paused` would do the opposite of what was meant.

    paused: of the command pause only; false resumes, so that a switch needs one topic.
    """

    transaction: str | None = None
    paused: bool = True


class SignedCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request on `command/{name}` that changes who is known, or ends a block: signed, and good once.

    camera, command: those of the topic, so that it cannot be moved to another. issued_at, expires_at: Unix seconds. nonce:
    1 to 128 characters, never used before. signature: 64 hexadecimal digits, HMAC-SHA256 with the key over the RFC 8785
    form of all else. options, by command: `enroll` {name, seconds, keep_pictures}, `forget` {name}, `name` {stranger, name}.
    """

    camera: str
    command: str
    issued_at: float
    expires_at: float
    nonce: str
    signature: str
    transaction: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Response(msgspec.Struct, frozen=True):
    """The answer on `response/{name}` and on the MQTT 5 response topic, if one was given."""

    status: Literal["ok", "error"]
    command: str
    transaction: str | None = None
    error: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class ConfigProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong with settings from afar. value: as given, shortened; null where it is not shown."""

    path: str
    reason: str
    cure: str
    value: Any = None


class ConfigResult(msgspec.Struct, frozen=True):
    """What came of `config/set` or `config/change`.

    revision: of the settings that count now. changed: dotted paths that differ from before. pending_restart: those that
    await the restart command. errors: everything that is wrong, at once; nothing was changed then.
    rolled_back: settings were accepted, the pipeline failed with them, and those before count again.
    """

    status: Literal["accepted", "rejected", "rolled_back"]
    revision: int
    at: str
    source: Literal["config/set", "config/change", "kept"]
    changed: list[str]
    pending_restart: list[str]
    errors: list[ConfigProblem]


class ConfigState(msgspec.Struct, frozen=True):
    """The settings in effect, nested as in the file, without broker, paths and secrets.

    revision: rises with every change from afar. changed: dotted paths that differ from the file by a wish from afar, and
    where the wish came. pending_restart: wished, but in effect only after the restart command. on_probation: the
    last change is being tried and is taken back by itself if the pipeline fails.
    """

    at: str
    revision: int
    settings: dict[str, Any]
    changed: dict[str, str]
    pending_restart: list[str]
    on_probation: bool


@dataclass(frozen=True)
class Topic:
    """One row. name is the template below `{prefix}/camera/{camera}/`; payload a model or a media type.

    retained_input_refused: a retained message here is an old one replayed, and is refused.
    """

    name: str
    direction: Literal["out", "in"]
    qos: Literal[0, 1]
    retain: bool
    payload: type[Any] | tuple[type[Any], ...] | str
    summary: str
    retained_input_refused: bool = False


class AuditState(msgspec.Struct, frozen=True):
    """How far the audit trail has come: a trail that was cut or rewritten shows against it (`edged audit verify --broker`).

    record: number of its last record; hash: of that record, SHA-256 in hexadecimal. problem: what is wrong with the trail.
    """

    at: str
    record: int
    hash: str
    problem: str


TOPICS: dict[str, Topic] = {
    "availability": Topic(
        "availability", "out", 1, True, "text/plain", "`online`, or `offline` (also the last will): is the daemon there"
    ),
    "health": Topic("health", "out", 1, True, states.HealthState, "Is the pipeline fresh, and if not, why"),
    "state": Topic(
        "state/{aspect}",
        "out",
        1,
        True,
        tuple(ASPECTS.values()),
        "How things are now; `aspect` is presence, gaze, eyes, or one of the stages that are on: identity, liveness, "
        "objects, security",
    ),
    "event": Topic("event/{kind}", "out", 1, False, events.EVENT_TYPES, "Something happened; never retained"),
    "summary": Topic("summary", "out", 1, True, states.Summary, "One window's figures"),
    "audit": Topic("audit", "out", 1, True, AuditState, "How far the audit trail has come"),
    "stream": Topic(
        "stream/landmarks", "out", 0, False, "application/json", "Per-frame landmarks, only if the owner turned them on"
    ),
    "snapshot": Topic(
        "snapshot/frame", "out", 1, False, "image/jpeg", "The picture a snapshot command asked for, only if turned on"
    ),
    "command": Topic(
        "command/{name}",
        "in",
        1,
        False,
        (Command, SignedCommand),
        "Do something once; what concerns people and blocks is signed",
        retained_input_refused=True,
    ),
    "response": Topic("response/{name}", "out", 1, False, Response, "What came of a command"),
    "config_set": Topic(
        "config/set",
        "in",
        1,
        True,
        "application/merge-patch+json",
        "All that should differ from the settings file: a JSON merge patch (RFC 7396); empty: nothing",
    ),
    "config_change": Topic(
        "config/change",
        "in",
        1,
        False,
        "application/merge-patch+json",
        "A merge patch over what was set before; `null` takes a change back",
        retained_input_refused=True,
    ),
    "config_state": Topic(
        "config/state", "out", 1, True, ConfigState, "The settings in effect, and which came from afar"
    ),
    "config_result": Topic(
        "config/result", "out", 1, False, ConfigResult, "What came of `config/set` and `config/change`"
    ),
}

ACTUATOR_TOPICS: dict[str, Topic] = {
    "availability": Topic(
        "availability",
        "out",
        1,
        True,
        "text/plain",
        "`online`, or `offline` (also the last will): is the actuator there",
    ),
    "health": Topic("health", "out", 1, True, jobs.ActuatorHealth, "Can it act, and if not, why; what it refused"),
    "request": Topic(
        "request", "in", 1, False, jobs.ActuatorRequest, "Do something once, signed", retained_input_refused=True
    ),
    "job": Topic("job/{id}", "out", 1, False, jobs.JobState, "How a job stands; `unknown` for a request without an id"),
}


def actuator_topic(prefix: str, actuator: str, key: str, **levels: str) -> str:
    """The full topic of a row of the actuators' table, e.g. `actuator_topic("edged", "typing", "job", id="…")`."""
    return f"{prefix}/actuator/{actuator}/" + ACTUATOR_TOPICS[key].name.format(**levels)


def camera_topic(prefix: str, camera: str, key: str, **levels: str) -> str:
    """The full topic of a row of the table, e.g. `camera_topic("edged", "front", "event", kind="blink")`."""
    return f"{prefix}/camera/{camera}/" + TOPICS[key].name.format(**levels)


def command_filter(prefix: str, camera: str) -> str:
    """The subscription for all commands of one camera."""
    return camera_topic(prefix, camera, "command", name="+")


def command_name(topic: str) -> str:
    """The last level of a command topic."""
    return topic.rsplit("/", 1)[-1]

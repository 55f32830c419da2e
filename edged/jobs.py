"""What is asked of an actuator and what it tells: the payloads of `{prefix}/actuator/{actuator}/…`.

Times in a request are Unix seconds, for whoever signs with a shell script; times that are told are UTC, ISO 8601.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

JOB_VERSION = 1
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{8,64}")
UNKNOWN_ID = "unknown"
# A longer request is refused unread.
MAX_REQUEST_BYTES = 256 * 1024

State = Literal["accepted", "countdown", "running", "succeeded", "failed", "cancelled", "expired", "rejected"]
FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled", "expired", "rejected"})
ActuatorStatus = Literal["ok", "degraded", "stopped"]


class ActuatorRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wish on `request`. `id` names the job: the same id twice is one job.

    actuator: the name in the topic, so that a request cannot be taken to another actuator. issued_at, expires_at: Unix
    seconds; nothing is begun after expires_at. nonce: never the same twice. text: in clear; sealed: sensitive text,
    encrypted (docs/actuators.md), which must be confirmed. signature: HMAC-SHA256 in hexadecimal over the canonical JSON
    (RFC 8785) of all other fields. `cancel`, `confirm`, `stop` and `reset` are actions of every actuator.
    """

    action: str
    id: str | None = None
    actuator: str | None = None
    text: str | None = None
    sealed: str | None = None
    options: dict[str, Any] = {}
    issued_at: float | None = None
    expires_at: float | None = None
    nonce: str | None = None
    signature: str | None = None


class JobState(msgspec.Struct, frozen=True):
    """How a job stands, on `job/{id}`. `reason` is one plain sentence. After succeeded, failed, cancelled, expired and
    rejected nothing else follows, but the same may be sent again.

    text: its length and a hash, never the text. source: `request`, or `binding NAME`. remaining_seconds: of a countdown,
    or until a confirmation must be there (waits_for_confirmation). attempt: of a job that is tried again. refused_nonce: a
    request with this nonce had the id of this job and asked for something else: that was not done.
    """

    id: str
    actuator: str
    action: str
    state: State
    at: str
    reason: str
    v: int = JOB_VERSION
    source: str = "request"
    text: str | None = None
    remaining_seconds: float | None = None
    waits_for_confirmation: bool = False
    attempt: int = 1
    refused_nonce: str | None = None


class ActuatorHealth(msgspec.Struct, frozen=True):
    """How an actuator is. reasons: one plain sentence each, with the cure.

    stopped_since: the emergency stop is on since then; null when it is off. jobs: how many came to which end, since the
    start. refused: what was not even looked at, by kind (unsigned, altered, replayed, stale, clock, retained, malformed,
    unnoted), repetitions, and conflicts: an id used again for something else. clock_offset_seconds: how far the clock of
    the last trusted sender seems to be ahead of ours.
    """

    status: ActuatorStatus
    reasons: list[str]
    at: str
    actuator: str
    kind: str
    actions: list[str]
    stopped_since: str | None
    dry_run: bool
    waiting_jobs: int
    current_job: str | None
    jobs: dict[str, int]
    refused: dict[str, int]
    last_error: str
    clock_offset_seconds: float | None
    waiting_messages: int
    version: str

"""What is kept for later: evidence, the audit trail, history."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import model_validator

from edged.settings.base import Section, option

# As edged/events.py has them. A kind that does not exist would be waited for in vain, and nobody would know.
EventKind = Literal[
    "presence", "gaze", "dwell", "blink", "drowsy", "health", "config", "hook", "identity", "liveness", "challenge",
    "object", "security",
]  # fmt: skip
SecurityVerdict = Literal[
    "starting", "off", "right_user", "undecided", "nobody", "wrong_user", "several_faces", "phone", "spoof",
    "camera_blocked", "camera_gone", "model_missing", "broker_gone", "blocked",
]  # fmt: skip


class EvidenceUploadSettings(Section):
    """Copies of the evidence, as encrypted as it is here, in a store that speaks S3. `edged evidence upload` does it."""

    enabled: bool = option(False, "Let `edged evidence upload` copy evidence to an S3-compatible store.")
    endpoint: str = option(
        "",
        "The store, e.g. https://s3.eu-central-1.amazonaws.com or http://nas:9000.",
        pattern=r"^(https?://[^\s/]+/?)?$",
    )
    region: str = option("us-east-1", "Region of the bucket; stores of one's own mostly take any.", min_length=1)
    bucket: str = option("", "Bucket, which must be there.", pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$")
    folder: str = option(
        "edged",
        "First part of the objects' names; camera and day follow.",
        pattern=r"^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$",
    )
    access_key_file: Path | None = option(
        None, "File with the access key. Better: a systemd credential named s3_access_key."
    )
    secret_key_file: Path | None = option(
        None, "File with the secret key. Better: a systemd credential named s3_secret_key."
    )
    ca_file: Path | None = option(None, "Certificate authority of the store; none means the usual ones.")
    retry_max_seconds: float = option(
        300.0, "Longest pause between attempts while it is away.", unit="s", ge=1, le=86400
    )

    @model_validator(mode="after")
    def _complete(self) -> EvidenceUploadSettings:
        if self.enabled and not (self.endpoint and self.bucket):
            raise ValueError("enabled needs endpoint and bucket")
        if self.endpoint and not urlsplit(self.endpoint).hostname:
            raise ValueError("endpoint must be http:// or https:// and a host")
        return self


class EvidenceSettings(Section):
    """Pictures around security events, encrypted."""

    enabled: bool = option(False, "Keep pictures around security events.")
    key_file: Path | None = option(
        None, "Key that encrypts them (edged evidence keygen). Better: a systemd credential named evidence_key."
    )
    kinds: list[EventKind] = option(["security"], "Kinds of events around which pictures are kept.")
    verdicts: list[SecurityVerdict] = option(
        ["spoof", "wrong_user", "several_faces", "phone", "camera_blocked"],
        "Verdicts of security events around which pictures are kept.",
    )
    # Longer than the patience of the verdicts below: of a covered lens the pictures show what came before the dark.
    before_seconds: float = option(8.0, "Pictures of so long before the event are kept.", unit="s", ge=0, le=30)
    after_seconds: float = option(2.0, "And of so long after it.", unit="s", ge=0, le=30)
    pictures_per_second: float = option(2.0, "Pictures kept of each second.", unit="1/s", gt=0, le=10)
    quality: int = option(85, "JPEG quality.", ge=10, le=100)
    pause_seconds: float = option(
        5.0,
        "Events of the same kind closer together than this share the evidence of the first.",
        unit="s",
        ge=0,
        le=3600,
    )
    keep_days: float = option(14.0, "Older evidence is deleted.", unit="d", gt=0, le=3650)
    limit_megabytes: int = option(
        200, "Most room that evidence takes; the oldest goes first.", unit="MB", ge=1, le=100_000
    )
    upload: EvidenceUploadSettings = option(EvidenceUploadSettings(), "Copies elsewhere.")

    @model_validator(mode="after")
    def _not_too_many(self) -> EvidenceSettings:
        if (self.before_seconds + self.after_seconds) * self.pictures_per_second > MOST_PICTURES:
            raise ValueError(
                f"(before_seconds + after_seconds) x pictures_per_second is more than {MOST_PICTURES} pictures an event: "
                "they would not fit in the memory of a small board"
            )
        return self


MOST_PICTURES = 60


class AuditSettings(Section):
    """The chained record of verdicts, actions, changes and accesses."""

    enabled: bool = option(True, "Keep the audit trail, once there is something to write in it.")
    kinds: list[EventKind] = option(["security", "config"], "Kinds of events that are recorded.")
    publish_seconds: float = option(
        600.0,
        "How far the trail has come is published after every new record, and no sooner than this after the last time.",
        unit="s",
        ge=1,
        le=86400,
    )


class HistorySettings(Section):
    """Past events, for questions."""

    enabled: bool = option(False, "Keep past events for `edged history`.")
    kinds: list[EventKind] = option([], "Kinds of events that are kept; none named: all.")
    keep_days: float = option(30.0, "Older events are deleted.", unit="d", gt=0, le=3650)
    limit_megabytes: int = option(
        64, "Most room that past events take; the oldest go first.", unit="MB", ge=1, le=10_000
    )
    batch_seconds: float = option(
        1.0,
        "Past events are written together this often, which spares the card; a killed daemon loses the last ones.",
        unit="s",
        ge=0.05,
        le=60,
    )

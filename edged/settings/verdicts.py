"""When what the networks say of a face or a thing is believed: votes over time.

What would let a stranger or a photograph pass is not to be set over MQTT.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from edged.settings.base import Fraction, Section, option


class IdentitySettings(Section):
    """When a name is given to a face, and taken back."""

    looks: int = option(3, "So many looks at a face must agree before it is known, or unknown.", ge=1, le=20)
    share: Fraction = option(0.7, "Share of the looks, weighed by their quality, that must agree.")
    keep_share: Fraction = option(
        0.5, "A name is taken back when fewer of the looks than this share still speak for it."
    )
    contrary_looks: int = option(
        3, "So many looks in a row against a name take it back, whatever was before.", ge=1, le=20
    )
    margin: float = option(
        0.05,
        "A look speaks for nobody when the second best person is nearer than this to the best (cosine).",
        ge=0,
        le=1,
    )
    least_quality: Fraction = option(0.2, "A look of a lower quality than this does not count.")
    memory_looks: int = option(9, "Older looks than so many are forgotten.", ge=2, le=100)
    memory_seconds: float = option(
        600.0,
        "Looks older than this are forgotten, and a name that no look spoke for in this time is taken back.",
        unit="s",
        ge=1,
        le=86400,
    )
    lost_seconds: float = option(
        3.0, "What is known of a face is forgotten when it was out of view for this long.", unit="s",
        ge=0, le=60,
    )  # fmt: skip

    @model_validator(mode="after")
    def _possible(self) -> IdentitySettings:
        if self.memory_looks < max(self.looks, self.contrary_looks):
            raise ValueError("memory_looks must be at least looks and contrary_looks")
        if self.keep_share > self.share:
            raise ValueError("keep_share must not be above share, or what is given is taken back at once")
        return self


class LivenessJudgementSettings(Section):
    """When a face counts as live, or as a spoof. Advice: a camera alone does not make a lock."""

    looks: int = option(3, "So many looks at a face before anything is said.", ge=1, le=20)
    memory_looks: int = option(7, "Older looks than so many are forgotten.", ge=1, le=100)
    memory_seconds: float = option(
        600.0, "Looks older than this are forgotten; a verdict stands until newer looks say otherwise.", unit="s",
        ge=1, le=86400,
    )  # fmt: skip
    live_score: Fraction = option(0.6, "A mean probability of a live face at or above this is live.")
    spoof_score: Fraction = option(0.6, "A mean probability of a print or a replay at or above this is a spoof.")
    flat_score: Fraction = option(0.85, "A face whose landmarks move as a plane at least this well is flat.")
    challenge_steps: int = option(3, "Blinks and head turns in one challenge.", ge=1, le=10)
    challenge_seconds: float = option(20.0, "A challenge must be over within this time.", unit="s", ge=2, le=300)
    challenge_turn_degrees: float = option(
        18.0, "A head turn of a challenge is at least this far.", unit="°", ge=5, le=60
    )
    challenge_valid_seconds: float = option(
        300.0,
        "A challenge that was passed speaks for a face for this long, while it stays in view.",
        unit="s",
        ge=1,
        le=86400,
    )
    failed_challenge: Literal["undecided", "spoof"] = option(
        "undecided", "What a face is that failed its last challenge (it may only have been elsewhere with its mind).",

    )  # fmt: skip

    @model_validator(mode="after")
    def _possible(self) -> LivenessJudgementSettings:
        if self.memory_looks < self.looks:
            raise ValueError("memory_looks must be at least looks")
        if self.live_score + self.spoof_score <= 1:
            raise ValueError("live_score and spoof_score must be more than 1 together, or a face could be both")
        return self


class ObjectJudgementSettings(Section):
    """When a thing counts as there."""

    phone_labels: list[str] = option(
        ["cell phone", "phone"], "Labels of the object detector that mean a phone.", remote="live", min_length=1
    )
    phone_score: Fraction = option(0.4, "A phone below this score is none.", remote="live")
    phone_where: Literal["near_face", "anywhere"] = option(
        "near_face",
        "Which phones count: near_face means near a face or raised towards it, so that one that lies on the desk does "
        "not; anywhere means all.",
        remote="live",
    )
    person_score: Fraction = option(0.5, "A person below this score is none.", remote="live")
    looks: int = option(
        2, "Something must be seen in so many of the last `of_looks` looks before it is told.", remote="live",
        ge=1, le=20,
    )  # fmt: skip
    of_looks: int = option(
        3, "So many looks are remembered; seen in none of them it is gone.", remote="live", ge=1, le=50
    )
    memory_seconds: float = option(
        10.0, "Looks older than this are forgotten.", unit="s", remote="live", ge=0.5, le=600
    )

    @model_validator(mode="after")
    def _possible(self) -> ObjectJudgementSettings:
        if self.of_looks < self.looks:
            raise ValueError("of_looks must be at least looks")
        return self

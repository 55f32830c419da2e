"""Whether this seat is safe: what follows from who is seen, and what is done then."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from edged.settings.base import Section, option
from edged.settings.schedule import Mode, read_schedule
from edged.settings.security_rules import (
    BlockedRule,
    BrokerGoneRule,
    CameraBlockedRule,
    CameraGoneRule,
    ModelMissingRule,
    NobodyRule,
    PhoneRule,
    RightUserRule,
    Rule,
    SeveralFacesRule,
    SpoofRule,
    UndecidedRule,
    WrongUserRule,
)


class SecuritySettings(Section):
    """The seat's policy. What nobody but the owner may soften is not to be set over MQTT."""

    enabled: bool = option(False, "Judge whether the seat is safe, and say so.")
    right_people: list[str] = option([], "Names of those who may sit here; none: everybody who is enrolled.")
    require: Literal["known", "anybody"] = option(
        "known", "Who is right: known means one of `right_people`; anybody means any face that is no spoof."
    )
    require_live: bool = option(False, "Who is right must also have been found live, and not only not to be a spoof.")
    mode: Mode = option(
        "enforce",
        "Outside all schedules: enforce; watch: verdicts are told, nothing is recommended; off: no verdicts.",
    )
    schedules: list[str] = option(
        [],
        'Hours in which another mode counts, the first that fits: days, hours, mode, as in "mon-fri 08:00-18:00 enforce"; '
        "daily is every day; past midnight where the end is earlier. Local time.",
    )
    grace_seconds: float = option(
        10.0,
        "After an unlock (the right person came back, the command unlocked or release, the start of edged) only rules "
        "with `in_grace` count for this long.",
        unit="s",
        ge=0,
        le=600,
    )
    nobody: NobodyRule = option(NobodyRule(), "Nobody is there.")
    spoof: SpoofRule = option(SpoofRule(), "The face is a print or a replay.")
    wrong_user: WrongUserRule = option(WrongUserRule(), "Somebody else sits there: unknown, or not of `right_people`.")
    undecided: UndecidedRule = option(UndecidedRule(), "Somebody is there, and who it is cannot be told.")
    several_faces: SeveralFacesRule = option(SeveralFacesRule(), "More than one face.")
    phone: PhoneRule = option(PhoneRule(), "A phone is held up before the screen.")
    right_user: RightUserRule = option(RightUserRule(), "The right person sits there: allowed.")
    camera_blocked: CameraBlockedRule = option(CameraBlockedRule(), "A hand or a cap is before the lens.")
    camera_gone: CameraGoneRule = option(
        CameraGoneRule(), "No fresh pictures: unplugged, frozen, stalled, or paused by command."
    )
    model_missing: ModelMissingRule = option(
        ModelMissingRule(), "A model that the policy needs is missing, or its stage does not run."
    )
    broker_gone: BrokerGoneRule = option(
        BrokerGoneRule(), "The broker cannot be reached: what is recommended meanwhile arrives late."
    )
    blocked: BlockedRule = option(BlockedRule(), "An earlier verdict blocked the seat, and nobody has released it.")

    @field_validator("right_people")
    @classmethod
    def _names(cls, names: list[str]) -> list[str]:
        if any(not name.strip() for name in names):
            raise ValueError("a name is empty")
        return names

    @field_validator("schedules")
    @classmethod
    def _readable(cls, schedules: list[str]) -> list[str]:
        for schedule in schedules:
            read_schedule(schedule)
        return schedules

    @model_validator(mode="after")
    def _nobody_is_shut_out_for_being_right(self) -> SecuritySettings:
        if "block" in self.right_user.actions:
            raise ValueError("right_user.actions must not have block: whoever is right would be shut out")
        return self

    def blocks(self) -> bool:
        """Can any verdict block the seat?"""
        return any("block" in rule.actions for rule in self.rules().values())

    def rules(self) -> dict[str, Rule]:
        """Every rule by its verdict's name."""
        return {name: value for name, value in self if isinstance(value, Rule)}

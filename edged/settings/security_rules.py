"""The rules of the seat's policy: one for each verdict, each with defaults of its own."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from edged.settings.base import Section, option

Action = Literal["warn", "lock", "sign_out", "block", "alert", "none"]


def _after(seconds: float) -> Any:
    return option(
        seconds, "It must hold for this long, without a break, to become the verdict.", unit="s", ge=0, le=3600
    )


def _actions(*actions: Action) -> Any:
    return option(list(actions), "What is recommended when it becomes the verdict; empty or none: nothing.")


def _in_grace(value: bool) -> Any:
    return option(value, "It counts also within the grace after an unlock.")


class Rule(Section):
    """One verdict of the seat's policy: how long it must hold, and what is recommended then."""

    after_seconds: float = _after(0.0)
    actions: list[Action] = _actions()
    in_grace: bool = _in_grace(False)

    @field_validator("actions")
    @classmethod
    def _once_each(cls, actions: list[Action]) -> list[Action]:
        if "none" in actions and len(actions) > 1:
            raise ValueError("none stands alone")
        if len(set(actions)) < len(actions):
            raise ValueError("an action is named twice")
        return actions


class NobodyRule(Rule):
    """Nobody is there."""

    after_seconds: float = _after(10.0)
    actions: list[Action] = _actions("lock")


class SpoofRule(Rule):
    """The face is a print or a replay."""

    after_seconds: float = _after(0.5)
    actions: list[Action] = _actions("sign_out", "alert")
    in_grace: bool = _in_grace(True)


class WrongUserRule(Rule):
    """Somebody else sits there: unknown, or not of `right_people`."""

    after_seconds: float = _after(2.0)
    actions: list[Action] = _actions("lock")


class UndecidedRule(Rule):
    """Somebody is there, and who it is cannot be told."""

    after_seconds: float = _after(20.0)
    actions: list[Action] = _actions("lock")


class SeveralFacesRule(Rule):
    """More than one face."""

    after_seconds: float = _after(2.0)
    actions: list[Action] = _actions("warn")


class PhoneRule(Rule):
    """A phone is held up before the screen."""

    after_seconds: float = _after(1.0)
    actions: list[Action] = _actions("sign_out")


class RightUserRule(Rule):
    """The right person sits there: allowed."""

    after_seconds: float = _after(0.5)
    in_grace: bool = _in_grace(True)


class CameraBlockedRule(Rule):
    """A hand or a cap is before the lens."""

    after_seconds: float = _after(5.0)
    actions: list[Action] = _actions("lock")


class CameraGoneRule(Rule):
    """No fresh pictures: unplugged, frozen, stalled, or paused by command."""

    after_seconds: float = _after(10.0)
    actions: list[Action] = _actions("lock")


class ModelMissingRule(Rule):
    """A model that the policy needs is missing, or its stage does not run."""

    after_seconds: float = _after(5.0)
    actions: list[Action] = _actions("lock", "alert")


class BrokerGoneRule(Rule):
    """The broker cannot be reached: what is recommended meanwhile arrives late."""

    after_seconds: float = _after(60.0)
    actions: list[Action] = _actions("none")


class BlockedRule(Rule):
    """An earlier verdict blocked the seat, and nobody has released it."""

    after_seconds: float = _after(0.0)
    actions: list[Action] = _actions("lock")
    in_grace: bool = _in_grace(True)

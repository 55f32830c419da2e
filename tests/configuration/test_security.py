"""Settings of the seat's policy: what is refused, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged.configuration.loading import load
from edged.errors import SettingsError
from edged.settings.schedule import read_schedule
from edged.settings.security import SecuritySettings


@pytest.mark.parametrize(
    ("text", "weekday", "time", "covers"),
    [
        ("mon-fri 08:00-18:00 enforce", 0, "08:00", True),
        ("mon-fri 08:00-18:00 enforce", 4, "17:59", True),
        ("mon-fri 08:00-18:00 enforce", 4, "18:00", False),
        ("mon-fri 08:00-18:00 enforce", 5, "12:00", False),
        ("sat,sun 00:00-24:00 off", 6, "23:59", True),
        ("fri-mon 00:00-24:00 off", 6, "12:00", True),
        ("fri-mon 00:00-24:00 off", 2, "12:00", False),
        ("daily 22:00-06:00 watch", 3, "23:00", True),
        ("daily 22:00-06:00 watch", 3, "05:59", True),
        ("daily 22:00-06:00 watch", 3, "06:00", False),
        # It began on Friday evening.
        ("fri 22:00-06:00 watch", 5, "03:00", True),
        ("fri 22:00-06:00 watch", 4, "03:00", False),
        ("sun 22:00-06:00 watch", 0, "03:00", True),
    ],
)
def test_when_a_schedule_counts(text: str, weekday: int, time: str, covers: bool) -> None:
    hour, minute = time.split(":")
    assert read_schedule(text).covers(weekday, int(hour) * 60 + int(minute)) is covers


@pytest.mark.parametrize(
    ("section", "wrong", "said"),
    [
        ("schedules", ["whenever"], "mon-fri 08:00-18:00 enforce"),
        ("schedules", ["mon 08:00-25:00 off"], "mon-fri 08:00-18:00 enforce"),
        ("schedules", ["mon 08:00-24:30 off"], "24:00 is the latest end"),
        ("schedules", ["mon 08:00-08:00 off"], "begins and ends at the same time"),
        ("schedules", ["monday 08:00-18:00 off"], "days are daily, or of mon"),
        ("schedules", ["mon 08:00-18:00 perhaps"], "one of enforce, watch, off"),
        ("nobody", {"actions": ["none", "lock"]}, "none stands alone"),
        ("nobody", {"actions": ["lock", "lock"]}, "named twice"),
        ("nobody", {"actions": ["explode"]}, "'explode'"),
        ("nobody", {"after_seconds": -1}, "after_seconds"),
        ("right_user", {"actions": ["block"]}, "would be shut out"),
        ("right_people", [" "], "a name is empty"),
    ],
)
def test_what_is_wrong_is_said(section: str, wrong: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=r"judgement\.security") as caught:
        load(None, {"judgement.security": {section: wrong}})
    assert said in str(caught.value)


def test_names_must_be_knowable(tmp_path: Path) -> None:
    path = tmp_path / "front.toml"
    path.write_text("[judgement.security]\nenabled = true\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"inference\.recognition\.enabled"):
        load(path, {})
    assert load(path, {"judgement.security.require": "anybody"}).judgement.security.enabled
    assert load(path, {"inference.recognition.enabled": True}).judgement.security.enabled
    with pytest.raises(SettingsError, match=r"inference\.liveness\.enabled"):
        load(path, {"inference.recognition.enabled": True, "judgement.security.require_live": True})


def test_a_rule_of_which_a_part_is_set_keeps_the_rest() -> None:
    settings = load(None, {"judgement.security.nobody.actions": ["alert"]}).judgement.security
    assert (settings.nobody.after_seconds, settings.nobody.actions) == (10.0, ["alert"])
    assert SecuritySettings.model_validate({"spoof": {"actions": ["block"]}}).spoof.in_grace is True


def test_nothing_of_the_policy_can_be_set_over_mqtt() -> None:
    from edged.configuration.options import leaves, remote_of

    soft = [
        leaf.path
        for leaf in leaves()
        if leaf.path.startswith(("judgement.security.", "judgement.identity.", "judgement.liveness.", "signing."))
        and remote_of(leaf.field) != "never"
    ]
    assert soft == []

"""Lists and tables of sections: what is wrong is named by entry and field, and nothing beside it is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edged.actuators.loading import load_actuator
from edged.errors import SettingsError

WRONG = """
[[bindings]]
name = "greet"
topic = "a/#/b"
action = "type"
text = "{x!r}"
hours = "25:00-1"
options = { chord = ["{"] }
when = [{ field = "a..b", equals = 1 }]

[[bindings]]
toppic = "a"
topic = "a"
action = "type"

[policy.type]
confrim = "confirm"
confirm = "always"
countdown_seconds = -1

[typing.snippets.pin]
text = "hunter2"
sensitve = true

[typing.snippets.both]
text = "hunter2"
file = "x"
sensitive = true

[typing.snippets]
number = 5
"""


def problems(tmp_path: Path, text: str, **more: Any) -> dict[str, str]:
    file = tmp_path / "typing.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_actuator("typing", file, more, {})
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.problems)
    return {each.path: str(each) for each in caught.value.problems}


def test_each_problem_names_entry_and_field_and_shows_nothing_else(tmp_path: Path) -> None:
    found = problems(tmp_path, WRONG)
    assert set(found) == {
        "bindings.greet.topic", "bindings.greet.text", "bindings.greet.hours", "bindings.greet.options",
        "bindings.greet.when.1.field", "bindings.2.toppic", "bindings.2.name",
        "policy.type.confrim", "policy.type.confirm", "policy.type.countdown_seconds",
        "typing.snippets.pin.sensitve", "typing.snippets.both", "typing.snippets.number",
    }  # fmt: skip
    assert "did you mean topic?" in found["bindings.2.toppic"]
    assert "did you mean confirm?" in found["policy.type.confrim"]
    assert "none, countdown, confirm" in found["policy.type.confirm"]
    assert "a brace that is meant is written twice" in found["bindings.greet.options"]
    assert "= 'a/#/b'" in found["bindings.greet.topic"]


def test_a_text_that_is_too_long_is_not_shown(tmp_path: Path) -> None:
    long = "hunter2" * 20_000
    found = problems(tmp_path, f'[typing.snippets.pin]\ntext = "{long}"\n')
    assert found == {"typing.snippets.pin.text": "typing.snippets.pin.text: must have at most 100000 characters"}


@pytest.mark.parametrize("table", ["[bindings]\n", "policy = 3\n", "[[policy]]\n", "bindings = [3]\n"])
def test_what_is_no_list_or_table_at_all_is_refused(tmp_path: Path, table: str) -> None:
    assert problems(tmp_path, table)


def test_one_entry_given_on_the_command_line_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "typing.toml"
    file.write_text('[policy.type]\nconfirm = "confirm"\n[policy.key]\nenabled = false\n', encoding="utf-8")
    settings = load_actuator("typing", file, {"policy.type.limit": 3}, {}).settings
    assert (settings.policy["type"].confirm, settings.policy["type"].limit) == ("confirm", 3)
    assert settings.policy["key"].enabled is False
    environment = {"EDGED_ACTUATOR_POLICY__TYPE__LIMIT": "4"}
    settings = load_actuator("typing", file, {}, environment).settings
    assert (settings.policy["type"].confirm, settings.policy["type"].limit) == ("confirm", 4)
    assert settings.policy["key"].enabled is False


def test_paths_within_a_table_are_relative_to_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    file = tmp_path / "own" / "typing.toml"
    file.write_text('[typing.snippets.pin]\nfile = "pin.txt"\n', encoding="utf-8")
    settings: Any = load_actuator("typing", file, {}).settings
    assert settings.typing.snippets["pin"].file == tmp_path / "own" / "pin.txt"


@pytest.mark.parametrize(
    "wrong",
    [
        '[[bindings]]\nname = "a"\ntopic = "x"\naction = "type"\ntext = "y"\n' * 2,
        '[bindings]\nname = "a"\ntopic = "hunter2"\n',
        '[signing]\nrequired = false\n[mqtt]\nhost = "192.168.1.2"\npassword = "hunter2"\n',
    ],
)
def test_what_concerns_all_settings_shows_none_of_them(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "typing.toml"
    secrets = '[typing.snippets.pin]\ntext = "hunter2"\nsensitive = true\n'
    file.write_text(wrong + secrets, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_actuator("typing", file, {})
    assert "hunter2" not in str(caught.value)
    assert "{" not in str(caught.value)
    assert len(str(caught.value)) < 400

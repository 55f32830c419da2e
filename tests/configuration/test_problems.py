"""What is said about wrong settings: all of it, each with its place, reason and cure, and never a secret."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from edged.configuration.loading import load
from edged.errors import SettingProblem, SettingsError
from edged.events import EVENT_KINDS, SeatVerdict
from edged.settings.keeping import EventKind, SecurityVerdict


def problems(
    text: str, folder: Path, overrides: dict[str, object] | None = None, environment: dict[str, str] | None = None
) -> dict[str, SettingProblem]:
    path = folder / "front.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(path, overrides or {}, environment or {})
    return {problem.path: problem for problem in caught.value.problems}


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = problems(
        'camra = "x"\n[capture]\nwidth = "wide"\nrotate_degrees = 45\n[mqtt]\nport = 70000\nhots = "x"\n'
        "[judgement.gaze]\ndwell_seconds = -1\n",
        tmp_path,
        {"health.interval_seconds": 0},
        {"EDGED_LOG__LEVEL": "loud", "EDGED_MQT__HOST": "x"},
    )
    assert set(found) == {
        "camra",
        "capture.width",
        "capture.rotate_degrees",
        "mqtt.port",
        "mqtt.hots",
        "judgement.gaze.dwell_seconds",
        "health.interval_seconds",
        "log.level",
        "EDGED_MQT__HOST",
    }


@pytest.mark.parametrize(
    ("text", "path", "meant"),
    [
        ('camra = "x"', "camra", "camera"),
        ('[mqtt]\nhots = "x"', "mqtt.hots", "mqtt.host"),
        ("[mqqt]\nport = 1", "mqqt", "mqtt"),
        ('[mqtt.tls]\nca_fil = "x"', "mqtt.tls.ca_fil", "mqtt.tls.ca_file"),
        ("[judgement.gaze]\ndwel_seconds = 1", "judgement.gaze.dwel_seconds", "judgement.gaze.dwell_seconds"),
        ('[capture]\nhost = "x"', "capture.host", "mqtt.host"),
        ('host = "x"', "host", "mqtt.host"),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(tmp_path: Path, text: str, path: str, meant: str) -> None:
    problem = problems(text, tmp_path)[path]
    assert problem.reason == "is not a setting"
    assert problem.cure == f"did you mean {meant}?"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("EDGED_MQTT__HOTS", "EDGED_MQTT__HOST"),
        ("EDGED_MQTT_HOST", "EDGED_MQTT__HOST"),
        ("EDGED_MODEL_DIR", "EDGED_MODELS_DIR"),
        ("EDGED_CAMERA__NAME", "EDGED_CAMERA"),
    ],
)
def test_an_unknown_variable_is_refused_with_what_was_meant(tmp_path: Path, name: str, meant: str) -> None:
    assert problems("", tmp_path, environment={name: "x"})[name].cure == f"did you mean {meant}?"


def test_variables_of_commands_and_tests_are_no_settings() -> None:
    others = {"EDGED_TEST_DATA": "x", "EDGED_MODELS_MIRROR": "x", "EDGED_MODELS_INDEX": "x", "EDGED_MODELS_DIR": "x"}
    load(None, {}, others)


@pytest.mark.parametrize(
    ("setting", "reason", "cure"),
    [
        ("mqtt.port = 70000", "must be from 1 to 65535", "the default is 1883"),
        ("mqtt.port = 'x'", "must be a whole number, from 1 to 65535", "the default is 1883"),
        ("inference.threads = 1.5", "must be a whole number", "the default is 1"),
        ("capture.frames_per_second = 0", "must be above 0 and at most 120 per second", "the default is 15.0"),
        ("capture.frames_per_second = nan", "must be above 0 and at most 120 per second", "the default is 15.0"),
        ("capture.loop = 'perhaps'", "must be true or false", "the default is true"),
        ("capture.pixel_format = 'mjpeg'", "must be one of auto, mjpg, yuyv", "did you mean mjpg?"),
        ("capture.rotate_degrees = 45", "must be one of 0, 90, 180, 270", "the default is 0"),
        ("capture.crop = [0, 0, 2, 1]", "number 3 must be from 0 to 1", "the default is [0.0, 0.0, 1.0, 1.0]"),
        ("capture.crop = [0, 0.5, 1, 0.5]", "right > left", ""),
        ("camera = 'Front Door'", "1 to 64 of the characters a-z, 0-9, - and _", 'the default is "front"'),
        ("mqtt.prefix = 'a//b'", "in levels separated by single slashes", 'the default is "edged"'),
        ("mqtt.host = ''", "must not be empty", 'the default is "localhost"'),
        ("mqtt.host = 1", "must be text in quotes", 'the default is "localhost"'),
        ("mqtt = 1", "must be a section of settings", ""),
        ("inference.delegate_options = 1", "must be a table of names and values", ""),
        ("models.directory = 1", "must be a path in quotes", ""),
        ("mqtt.tls.key_file = 'k'", "certificate_file and key_file are given together", ""),
    ],
)
def test_reasons_are_plain_words(tmp_path: Path, setting: str, reason: str, cure: str) -> None:
    (problem,) = problems(setting, tmp_path).values()
    assert reason in problem.reason
    assert cure in problem.cure
    assert "Input should" not in str(problem)


def test_a_section_is_also_looked_at_as_a_whole_when_a_key_of_it_is_unknown(tmp_path: Path) -> None:
    found = problems('[mqtt.tls]\nkey_fil = "x"\ncertificate_file = "c"\n', tmp_path)
    assert set(found) == {"mqtt.tls.key_fil", "mqtt.tls"}


def test_a_problem_says_which_variable_or_that_the_command_line_set_it(tmp_path: Path) -> None:
    found = problems("", tmp_path, {"capture.width": 1}, {"EDGED_MQTT__PORT": "x"})
    assert found["mqtt.port"].cure == "set by EDGED_MQTT__PORT; the default is 1883"
    assert found["capture.width"].cure == "given on the command line; the default is 640"


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("mqtt.password = ['geheim']", {}),
        ("mqtt.passwort = 'geheim'", {}),
        ("", {"EDGED_MQTT__PASSWORT": "geheim"}),
        ("mqtt.port = 0", {"EDGED_MQTT": '{"password": ["geheim"]}'}),
        ("capture.width = 1\n", {"EDGED_CAPTURE": '{"source": ["rtsp://user:geheim@host/"]}'}),
    ],
)
def test_a_secret_is_never_repeated(tmp_path: Path, text: str, environment: dict[str, str]) -> None:
    for problem in problems(text, tmp_path, environment=environment).values():
        assert "geheim" not in str(problem)


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (b"a = 1\nb = x\n", "line 2, column 5", "invalid value"),
        (b"a = 1\na = 2\n", "line 2", "overwrite"),
        (b'camera = "\xff"\n', "line 1", "is not UTF-8"),
        (b'camera = "front', "end of document", "string"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_line_and_column(
    tmp_path: Path, content: bytes, place: str, reason: str
) -> None:
    path = tmp_path / "front.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path, {}, {})
    (problem,) = caught.value.problems
    assert place in problem.path
    assert reason.lower() in problem.reason.lower()
    assert caught.value.origin == str(path)


def test_a_file_that_is_not_there_or_is_a_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load(tmp_path / "none.toml", {}, {})
    with pytest.raises(SettingsError, match="is a folder"):
        load(tmp_path, {}, {})


def test_a_kind_or_verdict_that_does_not_exist_is_refused_for_nothing_would_ever_be_kept_of_it(tmp_path: Path) -> None:
    found = problems(
        '[evidence]\nkinds = ["securty"]\nverdicts = ["spoofed"]\n[audit]\nkinds = ["enrolled"]\n'
        '[history]\nkinds = ["presense"]\n',
        tmp_path,
    )
    assert set(found) == {"evidence.kinds", "evidence.verdicts", "audit.kinds", "history.kinds"}
    assert "did you mean spoof?" in str(found["evidence.verdicts"])
    assert "did you mean security?" in str(found["evidence.kinds"])


def test_the_kinds_and_verdicts_that_may_be_kept_are_those_there_are() -> None:
    assert get_args(EventKind) == EVENT_KINDS
    assert get_args(SecurityVerdict) == get_args(SeatVerdict)

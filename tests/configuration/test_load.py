"""Settings from defaults, file, environment and command line: who wins, and what relative paths mean."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.configuration.loading import load, load_with_origins, variable_of
from edged.configuration.options import leaves, value_at
from edged.errors import SettingsError
from edged.settings import Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "front.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_all_is_default() -> None:
    assert load(None, {}, {}) == Settings()


def test_the_command_line_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[mqtt]\nhost = "file"\nport = 1\nusername = "file"\n')
    environment = {"EDGED_MQTT__HOST": "environment", "EDGED_MQTT__PORT": "2", "PATH": "/bin"}
    loaded = load_with_origins(path, {"mqtt.host": "line"}, environment)
    mqtt = loaded.settings.mqtt
    assert (mqtt.host, mqtt.port, mqtt.username, mqtt.prefix) == ("line", 2, "file", "edged")
    names = {name: origin.name for name, origin in loaded.origins.items()}
    assert names == {"mqtt.host": "command line", "mqtt.port": "EDGED_MQTT__PORT", "mqtt.username": str(path)}


def test_overrides_may_be_nested_or_dotted() -> None:
    assert load(None, {"capture": {"width": 320}, "capture.height": 240}, {}).capture.width == 320
    assert load(None, {"capture.width": "320"}, {}).capture.width == 320


def test_texts_become_what_the_setting_is() -> None:
    environment = {
        "EDGED_CAPTURE__CROP": "[0, 0, 1, 0.5]",
        "EDGED_CAPTURE__ROTATE_DEGREES": "90",
        "EDGED_CAPTURE__LOOP": "false",
        "EDGED_STREAM": '{"landmarks": true}',
        "EDGED_INFERENCE__DELEGATE_OPTIONS__DEVICE": "usb",
        "edged_log__level": "debug",
    }
    loaded = load_with_origins(None, {}, environment)
    settings = loaded.settings
    assert list(settings.capture.crop) == [0, 0, 1, 0.5]
    assert settings.capture.rotate_degrees == 90
    assert settings.capture.loop is False
    assert settings.stream.landmarks is True
    assert settings.inference.delegate_options == {"device": "usb"}
    assert settings.log.level == "debug"
    assert loaded.origins["stream.landmarks"].name == "EDGED_STREAM"
    assert load(None, {"capture.crop": "[0,0,0.5,1]"}, {}).capture.crop == (0, 0, 0.5, 1)


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    path = write(
        tmp_path,
        '[capture]\nsource = "clips/a.mp4"\n[mqtt]\npassword_file = "secret"\n'
        '[mqtt.tls]\nca_file = "/etc/ca.pem"\n[models]\ndirectory = "~/models"\n',
    )
    settings = load(path, {}, {})
    assert settings.capture.source == str(tmp_path / "clips/a.mp4")
    assert settings.mqtt.password_file == tmp_path / "secret"
    assert settings.mqtt.tls.ca_file == Path("/etc/ca.pem")
    assert settings.models.directory == Path("/home/somebody/models")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sitter:", "sitter:"),
        ("sitter:day.toml", "sitter:{folder}/day.toml"),
        ("rtsp://camera/1", "rtsp://camera/1"),
        ("/dev/video0", "/dev/video0"),
        ("0", "0"),
        ("picamera2:0", "picamera2:0"),
        ("gstreamer:videotestsrc ! appsink", "gstreamer:videotestsrc ! appsink"),
        ("gopher://x", "gopher://x"),
        ("images", "{folder}/images"),
    ],
)
def test_only_sources_that_are_paths_are_made_relative_to_the_file(tmp_path: Path, written: str, read: str) -> None:
    path = write(tmp_path, f'[capture]\nsource = "{written}"\n')
    assert load(path, {}, {}).capture.source == read.format(folder=tmp_path)


def test_paths_of_the_environment_are_left_alone() -> None:
    assert load(None, {}, {"EDGED_MQTT__PASSWORD_FILE": "secret"}).mqtt.password_file == Path("secret")
    assert load(None, {}, {"EDGED_CAPTURE__SOURCE": "a.mp4"}).capture.source == "a.mp4"


def test_the_short_name_of_the_models_folder_counts_and_the_long_one_wins() -> None:
    short = {"EDGED_MODELS_DIR": "/short"}
    assert load(None, {}, short).models.directory == Path("/short")
    assert load(None, {}, {**short, "EDGED_MODELS__DIRECTORY": "/long"}).models.directory == Path("/long")


def test_every_setting_has_a_variable() -> None:
    for leaf in leaves():
        value = leaf.default
        if isinstance(value, str | int | float | bool):
            loaded = load(None, {}, {variable_of(leaf.path): str(value)})
            assert value_at(loaded, leaf.path) == value


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.floats() | st.none(), max_size=4))
def test_whatever_the_command_line_brings_is_settings_or_a_settings_error(overrides: dict[str, object]) -> None:
    with contextlib.suppress(SettingsError):
        load(None, overrides, {})


@given(st.dictionaries(st.sampled_from([variable_of(leaf.path) for leaf in leaves()]), st.text(), max_size=4))
def test_whatever_the_environment_brings_is_settings_or_a_settings_error(environment: dict[str, str]) -> None:
    with contextlib.suppress(SettingsError):
        load(None, {}, environment)

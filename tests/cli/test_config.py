"""`edged config` as it is used."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.edged_command import edged


def test_check_is_content_with_the_example() -> None:
    done = edged("config", "check", "config/edged.toml")
    assert done.returncode == 0
    assert "good" in done.stdout


def test_check_says_everything_on_lines_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('camra = "x"\n[mqtt]\nport = 0\npassword = 5\n')
    done = edged("config", "check", str(path))
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == f"edged: {path}: 3 problems"
    assert lines[1:] == [
        "  mqtt.port = 0: must be from 1 to 65535 (the default is 1883)",
        "  mqtt.password: must be text in quotes",
        "  camra: is not a setting (did you mean camera?)",
    ]


def test_show_gives_what_counts(tmp_path: Path) -> None:
    environment = {"EDGED_MQTT__PASSWORD": "geheim", "EDGED_MQTT__HOST": "broker"}
    done = edged("config", "show", "--set", "mqtt.port=99", environment=environment)
    assert 'mqtt.host = "broker"' in done.stdout.splitlines()
    assert "mqtt.port = 99" in done.stdout.splitlines()
    assert 'mqtt.password = "•••"' in done.stdout.splitlines()
    assert "geheim" not in done.stdout
    rows = edged("config", "show", "--origin", "--set", "mqtt.port=99", environment=environment).stdout.splitlines()
    assert next(row for row in rows if row.startswith("mqtt.port ")).endswith("command line")
    assert next(row for row in rows if row.startswith("mqtt.host ")).endswith("EDGED_MQTT__HOST")
    nested = json.loads(edged("config", "show", "--json", environment=environment).stdout)
    assert nested["mqtt"]["host"] == "broker"


def test_a_set_without_a_value_is_refused() -> None:
    done = edged("config", "show", "--set", "mqtt.port")
    assert done.returncode == 2
    assert "write --set mqtt.host=broker" in done.stderr


def test_schema_and_example_are_whole(tmp_path: Path) -> None:
    assert json.loads(edged("config", "schema").stdout)["title"] == "edged settings"
    path = tmp_path / "own.toml"
    path.write_text(edged("config", "example").stdout, encoding="utf-8")
    assert edged("config", "check", str(path)).returncode == 0

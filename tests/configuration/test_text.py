"""Settings as people read them: the example file, what counts now, the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edged.configuration.loading import load, load_with_origins
from edged.configuration.options import entry_model, leaves
from edged.configuration.text import effective, example, schema
from edged.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "edged.toml"


def test_the_example_file_is_current() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "edged config example > config/edged.toml"


def test_the_example_file_is_the_defaults() -> None:
    assert load(EXAMPLE, {}, {}) == Settings()


def test_with_every_comment_sign_taken_away_the_example_names_every_setting(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(re.sub(r"^#(?=[a-z_]+ = |\[)", "", example(), flags=re.MULTILINE), encoding="utf-8")
    loaded = load_with_origins(path, {}, {})
    assert set(loaded.origins) == {leaf.path for leaf in leaves()}
    # Those whose default is nothing are shown with an example, tables with an entry NAME; all others with their default.
    changed = {
        row.path
        for row, default in zip(effective(loaded), effective(load_with_origins(None, {}, {})), strict=True)
        if row.value != default.value
    }
    assert changed == {leaf.path for leaf in leaves() if leaf.default is None or entry_model(leaf.field) is not None}


def test_every_setting_has_a_sentence() -> None:
    for leaf in leaves():
        assert leaf.field.description
        assert leaf.field.description[0].isupper() or leaf.field.description.startswith("PERCLOS")


def test_what_counts_is_shown_with_its_origin_and_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "front.toml"
    path.write_text('[mqtt]\npassword = "geheim"\n[capture]\nsource = "rtsp://user:geheim@host/1"\n', encoding="utf-8")
    rows = {row.path: row for row in effective(load_with_origins(path, {"mqtt.port": 1}, {"EDGED_CAMERA": "door"}))}
    assert rows["mqtt.password"].value == "•••"
    assert "geheim" not in str(rows)
    assert rows["mqtt.password"].origin == str(path)
    assert rows["mqtt.port"].origin == "command line"
    assert rows["camera"].origin == "EDGED_CAMERA"
    assert rows["mqtt.host"].origin == "default"
    assert len(rows) == len(list(leaves()))


def test_the_schema_describes_every_setting_with_its_unit_and_who_may_change_it() -> None:
    described = json.loads(json.dumps(schema()))
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    width = described["$defs"]["CaptureSettings"]["properties"]["width"]
    assert (width["unit"], width["remote"], width["minimum"], width["maximum"], width["default"]) == (
        "pixels",
        "restart",
        64,
        3840,
        640,
    )
    assert described["additionalProperties"] is False


@pytest.mark.parametrize("path", ["mqtt.host", "mqtt.password", "mqtt.port", "models.directory", "capture.source"])
def test_what_is_dangerous_may_not_be_changed_from_afar(path: str) -> None:
    field = next(leaf.field for leaf in leaves() if leaf.path == path)
    assert isinstance(field.json_schema_extra, dict)
    assert field.json_schema_extra["remote"] == "never"

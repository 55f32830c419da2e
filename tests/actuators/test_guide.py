"""The examples in docs/actuators.md are settings that an actuator takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edged.actuators.loading import load_actuator
from edged.actuators.table import build

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "actuators.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_taken_as_it_stands(example: str, tmp_path: Path) -> None:
    kind = "lock_screen" if '"lock"' in example else "typing"
    file = tmp_path / "example.toml"
    file.write_text(example, encoding="utf-8")
    loaded = load_actuator(kind, file, {})
    build(loaded.settings).close()

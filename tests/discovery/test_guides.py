"""The examples in the guide name entities that there are, and the blueprint is one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from edged.discovery import camera
from edged.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "home-assistant.md").read_text(encoding="utf-8")


def test_every_entity_in_the_guide_exists() -> None:
    (body,) = camera.device(Settings()).messages().values()
    known = {one.get("default_entity_id") for one in json.loads(body)["components"].values()}
    named = set(re.findall(r"\b(?:binary_sensor|sensor|switch|number|event)\.edged_front_\w+", GUIDE))
    assert named
    assert named <= known


def test_every_example_is_yaml() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert len(examples) == 4
    assert all(isinstance(yaml.safe_load(example), dict) for example in examples)


def test_the_blueprint_uses_every_input_it_asks_for() -> None:
    asked: list[str] = []

    class Loader(yaml.SafeLoader):
        """Knows `!input`, as Home Assistant's does."""

    def remember(loader: yaml.SafeLoader, node: Any) -> str:
        asked.append(str(loader.construct_scalar(node)))
        return asked[-1]

    Loader.add_constructor("!input", remember)
    text = (DOCS / "home-assistant" / "blueprint-blink-to-act.yaml").read_text(encoding="utf-8")
    blueprint = yaml.load(text, Loader)  # noqa: S506 - a safe loader with one more tag
    assert blueprint["blueprint"]["domain"] == "automation"
    assert set(asked) == set(blueprint["blueprint"]["input"])
    gestures = blueprint["blueprint"]["input"]["gesture"]["selector"]["select"]["options"]
    (body,) = camera.device(Settings()).messages().values()
    assert gestures == json.loads(body)["components"]["blink"]["event_types"]

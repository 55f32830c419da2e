"""The published contract: complete, in agreement with itself, current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edged import contract
from edged.configuration import reference as settings_reference
from edged.configuration.options import leaves
from edged.events import EVENT_KINDS
from edged.topics import ASPECTS, COMMANDS, TOPICS, camera_topic
from tests.bus.listening import blink

ROOT = Path(__file__).parents[2]


def test_generated_documents_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate-docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_schema_is_a_schema() -> None:
    for schema in contract.schemas().values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_kind_aspect_and_topic_is_in_the_contract() -> None:
    document = contract.asyncapi()
    assert set(document["channels"]) == set(TOPICS)
    assert {f"event-{kind}" for kind in EVENT_KINDS} | {f"state-{aspect}" for aspect in ASPECTS} <= set(
        contract.schemas()
    )
    assert document["channels"]["command"]["parameters"]["name"]["enum"] == list(COMMANDS)
    actions = {key.split("-", 1)[1]: each["action"] for key, each in document["operations"].items()}
    assert actions == {key: "send" if row.direction == "out" else "receive" for key, row in TOPICS.items()}


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [each for value in node.values() for each in references(value)]
    return [each for value in node for each in references(value)] if isinstance(node, list) else []


def test_every_reference_leads_somewhere() -> None:
    document = contract.asyncapi()
    found = references(document)
    assert found
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


@pytest.mark.parametrize("key", list(TOPICS))
def test_topics_find_their_schema(key: str) -> None:
    levels = {"aspect": "gaze", "kind": "blink", "name": "pause"}
    name = contract.schema_of(camera_topic("home/edged", "front", key, **levels), "home/edged")
    assert (name in contract.schemas()) == (
        key not in {"availability", "stream", "snapshot", "config_set", "config_change"}
    )


def test_an_event_without_its_envelope_is_refused() -> None:
    schema = contract.schemas()["event-blink"]
    jsonschema.validate(blink(0), schema)
    for name in ("id", "gesture", "v"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({key: value for key, value in blink(0).items() if key != name}, schema)


def test_every_setting_is_in_the_reference() -> None:
    page = settings_reference.markdown()
    for leaf in leaves():
        assert f"`{leaf.path}`" in page
        assert str(leaf.field.description).split("|", maxsplit=1)[0][:40] in page

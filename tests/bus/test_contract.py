"""The published contract: complete, in agreement with itself, current."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edged import contract
from edged.actuators import guide
from edged.actuators.loading import load_actuator
from edged.actuators.table import KINDS, settings_model
from edged.configuration import reference as settings_reference
from edged.configuration.options import entry_model, leaves
from edged.configuration.text import entry_heading
from edged.events import EVENT_KINDS
from edged.topics import ACTUATOR_TOPICS, ASPECTS, COMMANDS, SIGNED_COMMANDS, TOPICS, camera_topic
from tests.bus.listening import blink

ROOT = Path(__file__).parents[2]


def test_generated_documents_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/generate-docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_schema_is_a_schema() -> None:
    for schema in (contract.schemas() | contract.actuator_schemas()).values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_kind_aspect_and_topic_is_in_the_contract() -> None:
    document = contract.asyncapi()
    assert set(document["channels"]) == set(TOPICS)
    assert {f"event-{kind}" for kind in EVENT_KINDS} | {f"state-{aspect}" for aspect in ASPECTS} <= set(
        contract.schemas()
    )
    assert document["channels"]["command"]["parameters"]["name"]["enum"] == [*COMMANDS, *SIGNED_COMMANDS]
    actions = {key.split("-", 1)[1]: each["action"] for key, each in document["operations"].items()}
    assert actions == {key: "send" if row.direction == "out" else "receive" for key, row in TOPICS.items()}


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [node["$ref"]] if "$ref" in node else [each for value in node.values() for each in references(value)]
    return [each for value in node for each in references(value)] if isinstance(node, list) else []


def test_every_topic_of_an_actuator_is_in_its_contract() -> None:
    document = contract.actuator_asyncapi()
    assert set(document["channels"]) == set(ACTUATOR_TOPICS)
    addresses = {key: each["address"] for key, each in document["channels"].items()}
    assert addresses == {key: f"{{prefix}}/actuator/{{actuator}}/{row.name}" for key, row in ACTUATOR_TOPICS.items()}
    actions = {key.split("-", 1)[1]: each["action"] for key, each in document["operations"].items()}
    assert actions == {key: "send" if row.direction == "out" else "receive" for key, row in ACTUATOR_TOPICS.items()}
    assert document["operations"]["receive-request"]["reply"]["channel"] == {"$ref": "#/channels/job"}


@pytest.mark.parametrize("make", [contract.asyncapi, contract.actuator_asyncapi])
def test_every_reference_leads_somewhere(make: Callable[[], dict[str, Any]]) -> None:
    document = make()
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
        if (entry := entry_model(leaf.field)) is not None:  # a heading, and the settings of each of its entries
            assert f"`{entry_heading(leaf.path, leaf.field)}`" in page
            assert all(f"`{leaf.path}.NAME.{name}`" in page for name in entry.model_fields)
        else:
            assert f"`{leaf.path}`" in page
            assert str(leaf.field.description).split("|", maxsplit=1)[0][:40] in page


def test_every_setting_of_actuators_is_in_the_reference() -> None:
    page = guide.markdown()
    for kind in KINDS:
        for leaf in leaves(settings_model(kind)):
            assert f"`{leaf.path}`" in page or f"[{leaf.path}" in page


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_example_of_a_kind_can_be_read_and_has_every_setting(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.toml"
    path.write_text(guide.example(kind), encoding="utf-8")
    settings = load_actuator(None, path).settings
    assert (settings.actuator, settings.kind, settings.mqtt.port) == (kind, kind, 1883)
    assert settings.signing.key_file == tmp_path / f"{kind}.key"
    lines = path.read_text(encoding="utf-8").splitlines()
    for leaf in leaves(settings_model(kind)):
        name = leaf.path.rpartition(".")[2]
        assert any(line.removeprefix("#").startswith((f"{name} = ", "[")) for line in lines)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_defaults_in_the_example_are_the_defaults(kind: str, tmp_path: Path) -> None:
    """With the signs taken away, but for the entries of lists and tables, which are made up."""
    made_up = {"password", "password_file", "ca_file", "certificate_file", "key_file", "directory"}
    lines = []
    for line in guide.example(kind).splitlines():
        if line.startswith("#["):
            break
        lines.append(line)
    tail = guide.example(kind).split(f"\n[{kind}]\n")[1].split("\n#[")[0]
    text = "\n".join([*lines, f"[{kind}]", tail])
    plain = re.sub(r"^#(\w+) = ", r"\1 = ", text, flags=re.MULTILINE)
    kept = [line for line in plain.splitlines() if line.split(" = ")[0] not in made_up]
    path = tmp_path / f"{kind}.toml"
    path.write_text("\n".join(kept), encoding="utf-8")
    given = load_actuator(None, path).settings.model_dump()
    plain_settings = load_actuator(kind, None).settings.model_dump()
    for name in ("signing", "store", "retry", "cancel", "log", "queue_length"):
        assert given[name] == plain_settings[name]

"""The topic contract as data: JSON Schemas and an AsyncAPI 3 document, made from the topic table and the models.

Pure: `scripts/generate-docs` writes what these functions return, and the tests validate every published message
against the same schemas.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

import edged
from edged import events, jobs, states
from edged.settings import Settings
from edged.topics import (
    ACTUATOR_TOPICS,
    ASPECTS,
    COMMANDS,
    NAME_PATTERN,
    SIGNED_COMMANDS,
    TOPICS,
    AuditState,
    Command,
    ConfigResult,
    ConfigState,
    Response,
    SignedCommand,
    Topic,
)

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
CAMERA_PATTERN = f"^{NAME_PATTERN.pattern}$"
CAPTURED_PROPERTY = "captured-monotonic-ns"

# What `events.envelope` lays around the body of every event.
_ENVELOPE: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "format": "uuid", "description": "UUIDv7; the same when a message is repeated"},
    "at": {
        "type": "string",
        "format": "date-time",
        "description": "When the deciding frame was captured: UTC, ISO 8601, milliseconds",
    },
    "camera": {"type": "string", "pattern": CAMERA_PATTERN},
    "kind": {},
    "seq": {"type": "integer", "minimum": 0, "description": "Counts this camera's events in one run of the daemon"},
    "v": {"const": events.PAYLOAD_VERSION, "description": "Version of the payload's shape"},
    "frame": {"type": "integer", "minimum": -1, "description": "The source's frame number; -1: no frame decided it"},
    "at_ms": {"type": "number", "description": "Position in the stream"},
}

_FORMATS = {"since": "date-time", "at": "date-time"}
_RETAINED_REFUSED = "A retained message is refused: the broker would repeat it with every connect."


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every JSON payload of a camera by name: `event-blink`, `state-gaze`, `health`, `summary`, `command`, …"""
    found = {f"event-{kind}": _event(model) for kind, model in zip(events.EVENT_KINDS, events.EVENT_TYPES, strict=True)}
    found |= {f"state-{aspect}": _model(model) for aspect, model in ASPECTS.items()}
    found |= {
        "health": _model(states.HealthState),
        "summary": _model(states.Summary),
        "audit": _model(AuditState),
        "command": _model(Command),
        "signed-command": _model(SignedCommand),
        "response": _model(Response),
        "config-state": _model(ConfigState),
        "config-result": _model(ConfigResult),
    }
    return found


def schema_of(topic: str, prefix: str = "edged") -> str | None:
    """Name in `schemas()` of what a camera's topic carries; None if that is no JSON of ours.

    A `response/{name}` that an asker of `config/change` picked for himself carries a `config-result` instead, which has
    a `revision`.
    """
    levels = topic.removeprefix(f"{prefix}/camera/").split("/")[1:]
    match levels:
        case ["event" | "state" as branch, leaf]:
            return f"{branch}-{leaf}"
        case ["health" | "summary" | "audit" as name]:
            return name
        case ["command", name] if name in SIGNED_COMMANDS:
            return "signed-command"
        case ["command" | "response" as name, _]:
            return name
        case ["config", "state" | "result" as leaf]:
            return f"config-{leaf}"
        case _:
            return None


def actuator_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every JSON payload of an actuator by name: `actuator-health`, `actuator-request`, `actuator-job`."""
    found = {}
    for key, topic in ACTUATOR_TOPICS.items():
        if isinstance(topic.payload, type):
            schema = _model(topic.payload)
            if topic.direction == "out":
                schema["required"] = list(schema["properties"])  # what we say is always said in full
            found[f"actuator-{key}"] = schema
    found["actuator-job"]["properties"]["v"] = {
        "type": "integer",
        "const": jobs.JOB_VERSION,
        "description": "Version of the payload's shape",
    }
    return found


def asyncapi() -> dict[str, Any]:
    """The whole contract of one camera's daemon as an AsyncAPI 3.0 document."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for key, topic in TOPICS.items():
        own = _messages(key, topic)
        messages |= own
        channels[key] = _channel("camera", topic, own, _parameters(key, topic))
        operations[_operation_name(key, topic)] = _operation(key, topic, list(own))
    about = (
        "What the daemon of one camera publishes (`send`) and listens to (`receive`) over MQTT 5. "
        "Consumers pass over fields and kinds they do not know: new ones may be added under the same `v`."
    )
    return _document("edged: one camera", about, channels, operations, messages, _components(schemas()))


def actuator_asyncapi() -> dict[str, Any]:
    """The whole contract of one actuator as an AsyncAPI 3.0 document."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for key, topic in ACTUATOR_TOPICS.items():
        name = f"actuator-{key}"
        own = {name: _availability(name) if isinstance(topic.payload, str) else _message(name)}
        messages |= own
        parameters: dict[str, Any] = {
            "prefix": _prefix_parameter(),
            "actuator": {"description": f"`actuator` of the settings: {CAMERA_PATTERN}"},
        }
        if "{id}" in topic.name:
            parameters["id"] = {
                "description": f"The request's id, ^{jobs.ID_PATTERN.pattern}$; `{jobs.UNKNOWN_ID}` where it had none"
            }
        channels[key] = _channel("actuator", topic, own, parameters)
        operation = _operation(key, topic, list(own))
        if key == "request":
            operation["reply"] = {
                "channel": {"$ref": "#/channels/job"},
                "messages": [{"$ref": "#/channels/job/messages/actuator-job"}],
            }
        operations[_operation_name(key, topic)] = operation
    about = (
        "What one actuator publishes (`send`) and listens to (`receive`) over MQTT 5; besides, it listens to what its "
        "owner's bindings name. A job is told in order, and what was told may be told again. Consumers pass over fields "
        "they do not know: new ones may be added under the same `v`."
    )
    return _document("edged: one actuator", about, channels, operations, messages, _components(actuator_schemas()))


def topic_rows(topics: Mapping[str, Topic] = TOPICS) -> list[dict[str, str]]:
    """A topic table for humans: topic, way, QoS, retained, payload, meaning."""
    return [
        {
            "topic": f"…/{topic.name}",
            "way": topic.direction,
            "qos": str(topic.qos),
            "retained": "yes" if topic.retain else "**refused**" if topic.retained_input_refused else "no",
            "payload": topic.payload if isinstance(topic.payload, str) else "JSON",
            "meaning": topic.summary,
        }
        for topic in topics.values()
    ]


def field_rows(schema: dict[str, Any]) -> list[dict[str, str]]:
    """The fields of a payload for humans, without those every event has: field and type."""
    event = "seq" in schema["properties"]
    return [
        {"field": name, "type": _type_words(each)}
        for name, each in schema["properties"].items()
        if not (name in _ENVELOPE and event)
    ]


def _event(model: type[Any]) -> dict[str, Any]:
    body = _model(model)
    properties = {**copy.deepcopy(_ENVELOPE), **body["properties"]}
    required = [*_ENVELOPE, *(name for name in body["properties"] if name not in _ENVELOPE)]
    return {**body, "properties": properties, "required": required}


def _model(model: type[Any]) -> dict[str, Any]:
    (_,), components = msgspec.json.schema_components([model], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = components.pop(model.__name__)
    # Python 3.13 takes the indentation out of docstrings, others do not.
    schema["description"] = inspect.cleandoc(model.__doc__ or "")
    for name, each in schema["properties"].items():
        if each.get("type") == "string" and name in _FORMATS:
            each["format"] = _FORMATS[name]
    if components:
        schema["$defs"] = components
    return schema


def _document(
    title: str, about: str, channels: dict[str, Any], operations: dict[str, Any], messages: dict[str, Any],
    components: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": edged.__version__,
            "description": about,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": components},
    }


def _channel(branch: str, topic: Topic, messages: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": f"{{prefix}}/{branch}/{{{branch}}}/{topic.name}",
        "description": topic.summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "parameters": parameters,
    }


def _operation_name(key: str, topic: Topic) -> str:
    return ("send-" if topic.direction == "out" else "receive-") + key


def _components(of: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """All schemas side by side; what one of them refers to has its own place in the document."""
    found: dict[str, Any] = {}
    for name, each in of.items():
        schema = _pointing_at_components(each)
        found |= schema.pop("$defs", {})
        found[name] = schema
    return found


def _pointing_at_components(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: value.replace("#/$defs/", "#/components/schemas/")
            if name == "$ref"
            else _pointing_at_components(value)
            for name, value in node.items()
        }
    return [_pointing_at_components(each) for each in node] if isinstance(node, list) else node


def _messages(key: str, topic: Topic) -> dict[str, Any]:
    if key == "event":
        return {f"event-{kind}": _message(f"event-{kind}", captured=True) for kind in events.EVENT_KINDS}
    if key == "state":
        return {f"state-{aspect}": _message(f"state-{aspect}") for aspect in ASPECTS}
    if key == "availability":
        return {key: _availability(key)}
    if key in ("config_state", "config_result"):
        return {key: _message(key.replace("_", "-"))}
    if key == "command":
        return {key: _message(key), "signed-command": _message("signed-command")}
    if key == "response":  # where somebody asks for it: the verdict over his config/change too
        return {key: _message(key), "config_result": _message("config-result")}
    if isinstance(topic.payload, str):
        return {key: {"name": key, "contentType": topic.payload, "payload": {}}}
    return {key: _message(key)}


def _availability(name: str) -> dict[str, Any]:
    payload = {"type": "string", "enum": ["online", "offline"]}
    return {"name": name, "contentType": "text/plain", "payload": payload}


def _message(name: str, *, captured: bool = False) -> dict[str, Any]:
    message: dict[str, Any] = {"name": name, "payload": {"$ref": f"#/components/schemas/{name}"}}
    if captured:
        message["headers"] = {
            "type": "object",
            "description": "MQTT 5 user properties",
            "properties": {
                CAPTURED_PROPERTY: {
                    "type": "string",
                    "pattern": "^[0-9]+$",
                    "description": "CLOCK_MONOTONIC of the deciding frame: means something on the same machine only",
                }
            },
        }
    return message


def _parameters(key: str, topic: Topic) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "prefix": _prefix_parameter(),
        "camera": {"description": f"`camera` of the settings: {CAMERA_PATTERN}"},
    }
    if "{kind}" in topic.name:
        parameters["kind"] = {"enum": list(events.EVENT_KINDS)}
    if "{aspect}" in topic.name:
        parameters["aspect"] = {"enum": list(ASPECTS)}
    if "{name}" in topic.name:
        names = [*COMMANDS, *SIGNED_COMMANDS]
        parameters["name"] = {"enum": names if key == "command" else [*names, "unknown"]}
    return parameters


def _prefix_parameter() -> dict[str, Any]:
    return {"default": Settings().mqtt.prefix, "description": "`mqtt.prefix` of the settings"}


def _operation(key: str, topic: Topic, messages: list[str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": "send" if topic.direction == "out" else "receive",
        "channel": {"$ref": f"#/channels/{key}"},
        "summary": topic.summary,
        "messages": [{"$ref": f"#/channels/{key}/messages/{name}"} for name in messages],
        "bindings": {"mqtt": {"qos": topic.qos, "retain": topic.retain, "bindingVersion": "0.2.0"}},
    }
    if topic.retained_input_refused:
        operation["description"] = _RETAINED_REFUSED
    if key == "command":
        operation["reply"] = {
            "channel": {"$ref": "#/channels/response"},
            "messages": [{"$ref": "#/channels/response/messages/response"}],
        }
    return operation


def _type_words(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " · ".join(f"`{choice}`" for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_words(each) for each in schema["anyOf"])
    if schema.get("format") == "date-time":
        return "UTC, ISO 8601"
    if schema.get("type") == "array":
        return f"list of {_type_words(schema['items'])}"
    if "$ref" in schema:
        return f"{schema['$ref'].rsplit('/', 1)[-1]} (see the schema)"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type_words(values)}" if isinstance(values, dict) and values else "object"
    words = {
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "string": "text",
        "null": "null",
    }
    return words.get(str(schema.get("type")), "anything")

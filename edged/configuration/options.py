"""The settings as a list: every leaf of the tree in `settings.py` by its dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from edged.capture.source import redact
from edged.settings import Remote, Settings

HIDDEN = "•••"
# What the seat's policy sees by: whoever could blind it from afar would have no need to set the policy itself.
_WITNESSES = (
    "inference.recognition.", "inference.liveness.", "inference.objects.", "inference.lens.", "judgement.objects.",
)  # fmt: skip


class Leaf(NamedTuple):
    """One setting: dotted path, its declaration, the default."""

    path: str
    field: FieldInfo
    default: Any


def leaves(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Leaf]:
    """Every setting there is, in the order of declaration, sections opened up."""
    for name, field in model.model_fields.items():
        if (section := section_of(field)) is not None:
            yield from leaves(section, f"{prefix}{name}.")
        else:
            yield Leaf(prefix + name, field, field.get_default(call_default_factory=True))


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section of settings, else None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def entry_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model of the entries of a list or table of sections; None for any other setting."""
    if get_origin(field.annotation) not in (list, dict):
        return None
    entry = get_args(field.annotation)[-1]
    found = (each for each in (entry, *get_args(entry)) if isinstance(each, type) and issubclass(each, BaseModel))
    return next(found, None)


def entry_choice(field: FieldInfo) -> bool:
    """An entry may be something simpler instead, such as a text."""
    return len(get_args(get_args(field.annotation)[-1])) > 1


def value_at(settings: BaseModel, path: str) -> Any:
    """The value at a dotted path."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def shown(value: Any) -> Any:
    """A value fit to be read by anybody: secrets and passwords in addresses are hidden."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, tuple | list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items()}
    if isinstance(value, BaseModel):
        return {name: shown(getattr(value, name)) for name in type(value).model_fields}
    return value


def field_at(path: Sequence[str], root: type[BaseModel] = Settings) -> FieldInfo | None:
    """The declaration at a path, or None where there is no such setting."""
    model: type[BaseModel] | None = root
    field: FieldInfo | None = None
    for name in path:
        if model is None or name not in model.model_fields:
            return None
        field = model.model_fields[name]
        model = section_of(field)
    return field


def is_section(path: str, root: type[BaseModel] = Settings) -> bool:
    """The dotted path leads to a section, not to a setting."""
    field = field_at(path.split("."), root)
    return field is not None and section_of(field) is not None


def kinds_of(field: FieldInfo) -> tuple[Any, ...]:
    """The types a setting may have."""
    return get_args(field.annotation) or (field.annotation,)


def remote_of(field: FieldInfo) -> Remote:
    """Who may change a setting from afar."""
    extra = field.json_schema_extra
    found: Remote = extra.get("remote", "never") if isinstance(extra, dict) else "never"  # type: ignore[assignment]
    return found


def guarded(file: Settings, path: str) -> bool:
    """The policy that the settings file switches on sees by this setting, so that it may not change from afar."""
    return file.judgement.security.enabled and path.startswith(_WITNESSES)

"""JSON merge patches (RFC 7396)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The target with the patch applied (RFC 7396 section 2); null removes. Neither is changed.

    A section from which everything was removed is removed as well, so that equal wishes are equal documents.
    """
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            before = result.get(name)
            inner = merged(before if isinstance(before, Mapping) else {}, value)
            if inner:
                result[name] = inner
            else:
                result.pop(name, None)
        else:
            result[name] = value
    return result


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Sections merged, values replaced; unlike in a patch, None is a value."""
    result = dict(below)
    for name, value in above.items():
        before = result.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[name] = laid_over(before, value) if both else value  # type: ignore[arg-type]
    return result


def leaves_of(document: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of everything that is no section, and of empty sections."""
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from leaves_of(value, (*at, name))
        else:
            yield (*at, name), value

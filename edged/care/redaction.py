"""Takes out of texts what is nobody else's business: what this installation knows to be secret or personal, by value, and
what looks like it, by shape. Of settings only that is shown which is known to be harmless.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from edged.actuators.table import KINDS, settings_model
from edged.configuration.options import HIDDEN, entry_model, section_of
from edged.configuration.words import choices_of
from edged.events import EVENT_KINDS
from edged.settings import Settings

# Shorter words stand in every other sentence; a name may be that short, and is looked for as it is written.
_LEAST_CHARACTERS = 3
_MOST_TERM_CHARACTERS = 2000
# So long it is no accident, also in the middle of something else.
_SURE_CHARACTERS = 8

_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b([a-z][a-z0-9+.-]{1,15})://[^\s'\"<>)\]]+", re.IGNORECASE), r"\1://[address]"),
    (re.compile(r"(?i)\b(pass(?:word|phrase|wd)?|token|secret|api[_-]?key|authorization|bearer|sid)([\"']?\s*[=:]\s*|\s+)"
                r"(?!is\b|of\b|must\b|has\b|file\b|and\b|or\b|for\b|in\b|from\b|cannot\b|was\b)"
                r"(?:(?:basic|bearer|digest)\s+)?(?:\"[^\"\n]*\"|'[^'\n]*'|\S+)"), r"\1\2[hidden]"),
    # A unit whose camera has its number already looks like one, too.
    (re.compile(r"(?<![\w.+-])(?!edged[a-z-]*@(?:camera|actuator)-\d+\.)[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"(?i)(?<![\w.])[\w-]+(?:\.[\w-]+)*\.(?:local|lan|box|arpa|internal|localdomain)(?![\w-])"), "[address]"),
    # Addresses of interfaces and of IPv6; times have fewer colons.
    (re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,7}:?(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?(?![\w:])"), "[address]"),
    (re.compile(r"(?<![\w:])[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*::(?:[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)?(?![\w:])"), "[address]"),
    (re.compile(r"(?<![\w.])(?!127\.0\.0\.1(?![\w.]))(?!0\.0\.0\.0(?![\w.]))\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"), "[address]"),
    (re.compile(r"(?<!\w)\+\d[\d ()/.-]{6,20}\d"), "[number]"),
    (re.compile(r"(?<![\w.:+-])\(?0\d[\d() /-]{7,16}\d(?![\w.:])"), "[number]"),
    (re.compile(r"(?<![\w.])\d{9,15}(?![\w.])"), "[number]"),
    (re.compile(r"/(home|Users)/[^/\s'\":]+"), r"/\1/[user]"),
    # Keys, tokens and digests: long, without a space, letters and digits mixed.
    (re.compile(r"(?<![\w/.-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{27,}(?![\w.])"), "[long]"),
)  # fmt: skip


class Redactor:
    """Knows what must not be told, and takes it out."""

    def __init__(self) -> None:
        self._terms: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def hide(self, term: str, instead: str, *, least: int = _LEAST_CHARACTERS) -> None:
        """Take this out wherever it stands, in upper or lower case; what is short, as a word of its own."""
        for line in (term, *term.splitlines()):
            word = line.strip()
            if least <= len(word) <= _MOST_TERM_CHARACTERS and word.lower() not in VOCABULARY:
                for form in _forms(word):
                    self._terms.setdefault(form, instead)
        self._pattern = None

    def hide_all(self, values: Any, instead: str) -> None:
        """Every text in a tree of values, and every name in it that is no setting's."""
        if isinstance(values, str):
            self.hide(values, instead)
        elif isinstance(values, Mapping):
            for name, value in values.items():
                self.hide(str(name), "[name]")
                self.hide_all(value, instead)
        elif isinstance(values, Iterable):
            for value in values:
                self.hide_all(value, instead)

    def hide_file(self, path: Path) -> None:
        """What stands in a file with a secret, in every form it could be told in; one that cannot be read is skipped."""
        try:
            content = path.read_bytes()[: 64 * 1024]
        except OSError:
            return
        for secret in {content, content.strip()}:
            for form in (secret.hex(), base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode()):
                self.hide(form, "[hidden]")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return
        self.hide(text, "[hidden]")
        for line in text.splitlines():
            # `name = value` and `name: value`, as credentials are written.
            self.hide(re.split(r"[=:]\s*", line, maxsplit=1)[-1].strip("\"' "), "[hidden]", least=4)

    def text(self, text: str) -> str:
        """The same, without what must not be told."""
        if self._terms:
            if self._pattern is None:
                longest_first = sorted(self._terms, key=len, reverse=True)
                words = (
                    re.escape(term) if len(term) >= _SURE_CHARACTERS else rf"(?<!\w){re.escape(term)}(?!\w)"
                    for term in longest_first
                )  # fmt: skip
                self._pattern = re.compile("|".join(words), re.IGNORECASE)
            # Letters with several lower cases may not be found again: they are hidden all the same.
            text = self._pattern.sub(
                lambda found: self._terms.get(found[0]) or self._terms.get(found[0].lower(), HIDDEN), text
            )
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def tree(self, values: Any) -> Any:
        """The same for every text in a tree of values."""
        if isinstance(values, str):
            return self.text(values)
        if isinstance(values, Mapping):
            return {self.text(str(name)): self.tree(value) for name, value in values.items()}
        if isinstance(values, list | tuple):
            return [self.tree(value) for value in values]
        return values


def _forms(word: str) -> set[str]:
    """How a word may stand in a text: composed or not, in lower case, within JSON."""
    forms = {word, unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)}
    forms |= {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in forms for ascii_only in (True, False)}
    return forms | {form.lower() for form in forms}


def settings_told(settings: BaseModel) -> dict[str, Any]:
    """Settings with numbers, switches and choices as they are; of texts only that they are set, of tables only how many."""
    told: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        told[name] = _told(value, harmless=value == default or value in choices_of(field))
    return told


def _told(value: Any, *, harmless: bool = False) -> Any:
    if isinstance(value, BaseModel):
        return settings_told(value)
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if harmless or not value or value.lower() in VOCABULARY else HIDDEN
    if isinstance(value, Path):
        return str(value) if harmless else HIDDEN
    if isinstance(value, Mapping):
        entries = [_told(entry) for entry in value.values()]
        names = [name if str(name).lower() in VOCABULARY else f"NAME {number}" for number, name in enumerate(value, 1)]
        return dict(zip(names, entries, strict=True))
    if isinstance(value, list | tuple):
        return [_told(entry, harmless=harmless) for entry in value]
    return HIDDEN


def _words(model: type[BaseModel]) -> Iterable[str]:
    """Names of settings, and what they may be chosen from."""
    for name, field in model.model_fields.items():
        yield name
        yield from (choice for choice in choices_of(field) if isinstance(choice, str))
        below = section_of(field) or entry_model(field)
        if below is not None:
            yield from _words(below)
        for kind in get_args(field.annotation):
            yield from (choice for choice in get_args(kind) if isinstance(choice, str))


# What stands in every settings file and every log, and tells nobody anything.
VOCABULARY = frozenset(
    word.lower()
    for word in (
        *_words(Settings), *(word for kind in KINDS for word in _words(settings_model(kind))), *EVENT_KINDS, *KINDS,
        "localhost", "127.0.0.1", "::1", "edged", "root", "true", "false", "none", "type", "key", "lock", "unlock", "block",
        "unblock", "alert", "sms", "call", "whatsapp", "stop", "spoof", "wrong_user", "several_faces", "phone", "nobody",
        "camera_blocked", "unknown", "undecided", "ok",
    )
)  # fmt: skip

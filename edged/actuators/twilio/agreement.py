"""Bindings of alerts that could never work: found when the settings are read, not when somebody has fallen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from edged.actuators.settings import BindingSettings
from edged.actuators.templates import has_fields, names_in
from edged.actuators.twilio.escalation import needed_seconds
from edged.actuators.twilio.settings import TemplateSettings, TwilioSettings
from edged.errors import SettingProblem

_CHANNELS = ("sms", "call", "whatsapp")


def binding_problems(own: TwilioSettings, binding: BindingSettings) -> Iterator[SettingProblem]:
    """What is wrong with one. What a field of the event will fill in is not known yet, and not looked at."""
    if binding.action not in (*_CHANNELS, "alert"):
        return
    at = f"bindings.{binding.name}"
    template = _said(binding.options.get("template"))
    if binding.action == "alert":
        chain = _said(binding.options.get("chain"))
        yield from _unknown(f"{at}.options.chain", chain, own.chains, "chain")
        if chain in own.chains and binding.expires_seconds <= (needed := needed_seconds(own.chains[chain])):
            reason = f"is too short: chain {chain!r} takes up to {needed:g} s until its last step"
            yield SettingProblem(f"{at}.expires_seconds", binding.expires_seconds, reason, f"more than {needed:g}")
    else:
        yield from _unknown(f"{at}.options.to", _said(binding.options.get("to")), own.recipients, "recipient")
        missing = own.missing_sender(binding.action)  # type: ignore[arg-type]  # one of the channels
        if missing:
            yield SettingProblem(f"{at}.action", binding.action, missing)
    if binding.text is None and "template" not in binding.options:
        yield SettingProblem(f"{at}.text", None, f"{binding.action} needs a text, or options.template")
    if binding.text is not None and "template" in binding.options:
        yield SettingProblem(f"{at}.text", None, "is given beside options.template", "leave one of them out")
    yield from _unknown(f"{at}.options.template", template, own.templates, "template")
    given = binding.options.get("fields", {})
    if template in own.templates and isinstance(given, dict):
        for name in sorted(_wanted(own, template) - set(given)):
            reason = f"template {template!r} needs the field {name!r}"
            yield SettingProblem(f"{at}.options.fields", None, reason, f'{name} = "…", or "{{{name}}}" from the event')


def _said(value: Any) -> str:
    """A name that stands there as it is; empty where an event will say it."""
    return value if isinstance(value, str) and not has_fields(value) else ""


def _unknown(at: str, name: str, known: Iterable[str], kind: str) -> Iterator[SettingProblem]:
    there = list(known)
    if name and name not in there:
        cure = f"there are {', '.join(there)}" if there else "none are set"
        yield SettingProblem(at, name, f"there is no such {kind}", cure)


def _wanted(own: TwilioSettings, template: str) -> set[str]:
    """The fields at the top level that a template fills in."""
    found = own.templates[template]
    texts = [found.text, *found.content_variables.values()] if isinstance(found, TemplateSettings) else [found]
    return {name.partition(".")[0] for text in texts for name in names_in(text)}

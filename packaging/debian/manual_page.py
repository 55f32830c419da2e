"""Write edged(1) from what the commands say of themselves: `manual_page.py VERSION DATE >edged.1`."""

# ruff: noqa: INP001  # run by scripts/build-deb, imported by nobody
from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from edged.cli.application import COMMANDS, load

_INTRODUCTION = """\
edged watches a camera and tells over MQTT whether somebody is there, where they look and when they blink. Pixels stay
on the device. Each command below explains itself further with \\fB\\-\\-help\\fR."""

_FILES = (
    ("/etc/edged/NAME.toml", "Settings of the camera or actuator NAME; edged config example writes one."),
    ("/etc/edged/skeleton/", "Settings to begin with: copy one, and start edged@NAME or edged-actuator@NAME."),
    ("/var/lib/edged/", "Databases, evidence, models that were fetched."),
    ("/usr/share/doc/edged/", "README.md and the guides."),
)
_STATUSES = (
    ("0", "Done."),
    ("1", "A problem was found."),
    ("2", "Wrong usage or settings."),
    ("3", "No picture source."),
    ("4", "Models or a runtime are missing."),
    ("5", "No broker."),
    ("130", "Interrupted."),
)


def roff(text: str) -> str:
    """Plain text as roff reads it: what is special to it taken literally."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"(?m)^([.'])", r"\\&\1", escaped)


def tagged(tag: str, text: str) -> str:
    """A paragraph with a hanging tag."""
    return f".TP\n\\fB{roff(tag)}\\fR\n{roff(text)}\n"


def first_paragraph(text: str) -> str:
    """What comes first in a command's help, in one line."""
    return " ".join(text.partition("\f")[0].strip().split("\n\n")[0].split())


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command, or the commands of a group, with their full names."""
    if isinstance(getattr(command, "commands", None), dict):
        for below, one in command.commands.items():
            yield from leaves(f"{name} {below}", one)
    else:
        yield name, command


def options(command: Any) -> Iterator[str]:
    """Its arguments and options, each with what it says of itself."""
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or not getattr(parameter, "help", None):
            continue
        spelled = ", ".join((*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            spelled = parameter.metavar or parameter.name.upper()
        elif not parameter.is_flag:
            spelled += f" {parameter.metavar or parameter.name.upper()}"
        yield tagged(spelled, " ".join(parameter.help.split()))


def page(version: str, date: str) -> str:
    """The whole page."""
    parts = [
        f'.TH EDGED 1 "{date}" "edged {version}" "User Commands"\n',
        ".SH NAME\nedged \\- turn a camera into a private sensor over MQTT\n",
        ".SH SYNOPSIS\n.B edged\n\\fICOMMAND\\fR [\\fIARGUMENT\\fR]...\n",
        f".SH DESCRIPTION\n{_INTRODUCTION}\n",
        ".SH COMMANDS\n",
    ]
    for name in COMMANDS:
        for full, command in leaves(f"edged {name}", load(name)):
            parts.append(f".SS {roff(full)}\n{roff(first_paragraph(command.help or ''))}\n")
            parts.extend(options(command))
    parts.append(".SH EXIT STATUS\n" + "".join(tagged(*row) for row in _STATUSES))
    parts.append(".SH FILES\n" + "".join(tagged(*row) for row in _FILES))
    parts.append(".SH SEE ALSO\n.BR systemctl (1),\n.BR journalctl (1),\n.BR mosquitto (8)\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page(*sys.argv[1:]))

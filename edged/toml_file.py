"""Reading TOML: the only place that knows which parser this Python has.

Python 3.10 (JetPack 6) has none of its own; `tomli` is the same parser under another name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from edged.errors import SettingProblem, SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises SettingsError: the file is absent, unreadable, not UTF-8, or not TOML (with line and column).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError([SettingProblem("", None, "does not exist", "check the path")], str(path)) from None
    except IsADirectoryError:
        raise SettingsError([SettingProblem("", None, "is a folder", "name a file in it")], str(path)) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise SettingsError(
            [SettingProblem(f"line {line}", None, "is not UTF-8", "save the file as UTF-8")], str(path)
        ) from None
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise SettingsError([SettingProblem("", None, reason, "check its permissions")], str(path)) from None
    return parse_toml(text, str(path))


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The content of a TOML text; origin names it in errors. Raises SettingsError with line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Older parsers keep the position only in the message: "… (at line 3, column 7)" or "(at end of document)".
        match = re.fullmatch(r"(.*?) \(at (.*)\)", str(error), re.DOTALL)
        reason, place = (match.group(1), match.group(2)) if match else (str(error), "somewhere")
        problem = SettingProblem(
            place, None, f"not valid TOML: {reason[:1].lower()}{reason[1:]}", "strings need quotes"
        )
        raise SettingsError([problem], origin) from None

"""Twilio's credentials: from a file, a systemd credential or the environment, and from nowhere else."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from edged.errors import SettingProblem, SettingsError

ACCOUNT = "TWILIO_ACCOUNT_SID"
TOKEN = "TWILIO_AUTH_TOKEN"  # noqa: S105 - the name of a variable
API_KEY = "TWILIO_API_KEY"
API_SECRET = "TWILIO_API_SECRET"  # noqa: S105 - the name of a variable
_NAMES = (ACCOUNT, TOKEN, API_KEY, API_SECRET)
_SHAPES = {ACCOUNT: re.compile(r"AC[0-9a-fA-F]{32}"), API_KEY: re.compile(r"SK[0-9a-fA-F]{32}")}
_LINE = re.compile(r"(?:export\s+)?([A-Z_]+)\s*=\s*(.*)")
_LARGEST_BYTES = 4096


class Credentials:
    """Who we are to Twilio. Printed, logged or in a traceback it shows nothing.

    username, password: of each request, the account's own or those of an API key. token: signs Twilio's callbacks;
    empty where only an API key is given.
    """

    __slots__ = ("_account", "_password", "_token", "_username")

    def __init__(self, account: str, username: str, password: str, token: str) -> None:
        self._account = account
        self._username = username
        self._password = password
        self._token = token

    @property
    def account(self) -> str:
        """The account's SID."""
        return self._account

    @property
    def username(self) -> str:
        """Of each request."""
        return self._username

    @property
    def password(self) -> str:
        """Of each request."""
        return self._password

    @property
    def token(self) -> str:
        """The account's auth token, or empty."""
        return self._token

    def __repr__(self) -> str:
        return "<Twilio credentials>"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled: they would be written out in clear")


def find_credentials(
    path: Path | None, credential: str, environment: Mapping[str, str] = os.environ
) -> Credentials | None:
    """From the file, or the systemd credential of that name, or the environment; None where there is nothing of it.

    Raises SettingsError, which names the place and never its content.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if path is None and folder and (Path(folder) / credential).exists():
        return _checked(_read(Path(folder) / credential, "twilio.credential"), f"systemd credential {credential}")
    if path is not None:
        return _checked(_read(path, "twilio.credentials_file"), str(path))
    found = {name: environment[name].strip() for name in _NAMES if environment.get(name, "").strip()}
    return _checked(found, "environment") if found else None


def _read(path: Path, at: str) -> dict[str, str]:
    def refused(reason: str, cure: str) -> SettingsError:
        return SettingsError([SettingProblem(at, str(path), reason, cure)], "Twilio's credentials")

    try:
        with path.open("rb") as source:
            if os.fstat(source.fileno()).st_mode & stat.S_IRWXO:
                raise refused("is open to every user of this machine", f"chmod o= {path}")
            text = source.read(_LARGEST_BYTES).decode("utf-8")
    except OSError as error:
        raise refused(f"cannot be read: {error.strerror}", "make it readable for this user") from None
    except UnicodeDecodeError:
        # `from None`: the exception carries the content.
        raise refused("is no UTF-8 text", "docs/twilio.md shows one") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] not in _NAMES:
            raise refused(
                f"line {number} is not NAME=VALUE with one of {', '.join(_NAMES)}", "docs/twilio.md shows one"
            )
        found[match[1]] = match[2].strip().strip("\"'")
    return found


def _checked(found: Mapping[str, str], place: str) -> Credentials:
    problems = []

    def wrong(name: str, reason: str, cure: str) -> None:
        problems.append(SettingProblem(name, None, reason, cure))

    for name, shape in _SHAPES.items():
        if found.get(name) and not shape.fullmatch(found[name]):
            wrong(name, f"is not {'AC' if name == ACCOUNT else 'SK'} and 32 hexadecimal digits", "copy it anew")
    if not found.get(ACCOUNT):
        wrong(ACCOUNT, "is missing", "the console of Twilio shows it: AC…")
    if bool(found.get(API_KEY)) != bool(found.get(API_SECRET)):
        wrong(API_KEY, f"and {API_SECRET} go together", "give both or neither")
    if not found.get(TOKEN) and not found.get(API_KEY):
        wrong(TOKEN, "is missing", f"give it, or {API_KEY} and {API_SECRET}")
    for name in (TOKEN, API_SECRET):
        if not found.get(name, "").isascii() or " " in found.get(name, ""):
            wrong(name, "has signs in it that none has", "copy it anew")
    if problems:
        raise SettingsError(problems, f"Twilio's credentials ({place})")
    account, token = found[ACCOUNT], found.get(TOKEN, "")
    if found.get(API_KEY):
        return Credentials(account, found[API_KEY], found[API_SECRET], token)
    return Credentials(account, account, token, token)

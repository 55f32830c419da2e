"""Who is known, asked for over MQTT by signed commands: `people`, `enroll`, `forget`, `name`.

The gallery is opened for each: it belongs to all cameras and to the command line. Enrolment happens in the process that
has the pictures.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edged.bus.commands import Request
from edged.errors import CommandRejected
from edged.events import iso_utc
from edged.messages import Enrol, Enrolled
from edged.store.gallery import Gallery
from edged.store.gallery_people import check_name

log = logging.getLogger(__name__)

# An enrolment that says nothing for so long after its end has died with its process. Less than `edged command` waits.
_GRACE_SECONDS = 8.0

Answer = Callable[[Request, Mapping[str, Any]], None]
Refuse = Callable[[Request, str], None]


class _EnrollOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    seconds: float = 5.0
    keep_pictures: bool = False


class _NameOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stranger: str
    name: str


class _ForgetOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


class _NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


@dataclass
class _Waiting:
    request: Request
    name: str
    deadline: float


class PeopleDesk:
    """Answers for one camera. Refuses by raising EdgedError, or later by `refuse`."""

    def __init__(
        self,
        folder: Path | None,
        key_file: Path | None,
        send: Callable[[Enrol], bool],
        *,
        answer: Answer,
        refuse: Refuse,
        record: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        """folder: where the gallery lies. send: to the process that has the pictures; False: it is away. record: into the trail."""
        self._folder = folder
        self._key_file = key_file
        self._send = send
        self._answer = answer
        self._refuse = refuse
        self._record = record
        self._waiting: dict[str, _Waiting] = {}
        self._count = 0

    def people(self, request: Request, options: Mapping[str, Any]) -> None:
        """Everybody who is enrolled, and strangers, without vectors."""
        _read(options, _NoOptions)
        with self._open() as gallery:
            found = gallery.contents()
        counts = Counter(vector.person for vector in found.vectors)
        people = [
            {
                "name": one.name,
                "stranger": one.stranger,
                "vectors": counts[one.id],
                "since": _time(one.created_at),
                "last_seen": _time(one.last_seen_at),
            }
            for one in sorted(found.people.values(), key=lambda each: (each.stranger, each.name))
        ]
        self._answer(request, {"people": people, "problems": found.problems})

    def forget(self, request: Request, options: Mapping[str, Any]) -> None:
        """Somebody is forgotten for good."""
        wish = _read(options, _ForgetOptions)
        with self._open() as gallery:
            gone = gallery.forget(wish.name)
        self._record("forgotten", {"name": gone.name, "vectors": gone.vectors, "pictures": gone.pictures, "by": "mqtt"})
        self._answer(
            request,
            {
                "name": gone.name, "vectors": gone.vectors, "pictures": gone.pictures, "emptied": gone.emptied,
                "backups": [str(path) for path in gone.backups],
            },
        )  # fmt: skip

    def name(self, request: Request, options: Mapping[str, Any]) -> None:
        """A stranger gets a name, and is enrolled by it."""
        wish = _read(options, _NameOptions)
        with self._open() as gallery:
            gallery.name_stranger(wish.stranger, wish.name)
        self._record("enrolled", {"name": wish.name, "from": wish.stranger, "by": "mqtt"})
        self._answer(request, {"name": wish.name, "from": wish.stranger})

    def enroll(self, request: Request, options: Mapping[str, Any], now: float) -> None:
        """Whoever sits there is enrolled; answered when that has ended. now: CLOCK_MONOTONIC seconds."""
        wish = _read(options, _EnrollOptions)
        name = check_name(wish.name)
        if not 1 <= wish.seconds <= 60:
            raise CommandRejected("options.seconds must be from 1 to 60")
        self._count += 1
        key = str(self._count)
        if not self._send(Enrol(key, name, wish.seconds, wish.keep_pictures)):
            raise CommandRejected("the process that has the pictures is being replaced; ask again")
        self._waiting[key] = _Waiting(request, name, now + wish.seconds + _GRACE_SECONDS)

    def ended(self, outcome: Enrolled) -> None:
        """The other process says how an enrolment ended."""
        waiting = self._waiting.pop(outcome.request, None)
        if not outcome.error:
            self._record("enrolled", {"name": outcome.name, "vectors": outcome.vectors, "by": "mqtt"})
        if waiting is None:
            return  # it came too late and was answered
        if outcome.error:
            self._refuse(waiting.request, outcome.error)
        else:
            self._answer(
                waiting.request,
                {
                    "name": outcome.name, "vectors": outcome.vectors, "refused": outcome.refused,
                    "warnings": outcome.warnings, "false_accept": outcome.false_accept,
                },
            )  # fmt: skip

    def tick(self, now: float) -> None:
        """Answer what has waited too long."""
        for key in [key for key, waiting in self._waiting.items() if now >= waiting.deadline]:
            waiting = self._waiting.pop(key)
            self._refuse(waiting.request, f"nothing was heard of the enrolment of {waiting.name} (see health)")

    def _open(self) -> Gallery:
        if self._folder is None:
            raise CommandRejected("nobody can be known: there is no folder for the gallery (store.directory)")
        return Gallery(self._folder, self._key_file)


def _read(options: Mapping[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        raise CommandRejected(f"options: {error}") from None


def _time(unix: float | None) -> str | None:
    return None if unix is None else iso_utc(int(unix * 1e9))

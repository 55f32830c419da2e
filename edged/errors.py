"""Every error edged raises on purpose.

::

    EdgedError                      exit 1   something failed; the message is one clear sentence
    ├── SettingsError               exit 2   one or more settings are wrong; carries all of them
    ├── SourceError                 exit 3   a picture source cannot be used
    │   ├── SourceUnsupported                a library or platform feature is missing: says the package
    │   └── SourceUnavailable                absent, busy, unplugged, frozen: worth trying again
    ├── FrameSlotError              exit 1   the shared memory between capture and inference is unusable
    ├── ModelError                  exit 4   a model file cannot be used
    │   ├── ModelMissing                     not on this device: says how to get it
    │   └── ModelCorrupt                     wrong size or SHA-256, or the runtime refuses it
    ├── RuntimeMissing              exit 4   no inference runtime is installed
    ├── BrokerError                 exit 5   the MQTT broker refuses us or is not there
    ├── StoreError                  exit 1   the folder or the database of what is kept cannot be used
    │   └── RestoreUnfinished                a restore is under way, or was cut off: wait, or finish it
    ├── EvidenceError               exit 1   evidence cannot be opened, or is not what it was
    │   └── UploadFailed                     a copy of it was not made: refused, or the store is away
    ├── BackupError                 exit 1   a backup cannot be made, opened or put back
    ├── HookUnusable                exit 1   a hook is not installed, cannot be loaded, or is none
    ├── GalleryError                exit 1   who is known cannot be read or changed so: name, picture or seal is refused
    ├── CommandRejected             exit 1   a command was understood and refused
    ├── RecordingError              exit 3   a recorded observation file is damaged
    ├── TypingError                 exit 1   a text or key was not typed, or not all of it
    │   ├── Untypeable                       the layout lacks characters: says which, before a key is pressed
    │   ├── ChordError                       ctrl+c and the like: not a key, or not one of this layout
    │   └── KeyboardError                    a typing back end failed; carries its name
    │       ├── KeyboardUnavailable          cannot be used here: says why and what to do
    │       ├── KeyboardUnsupported          cannot do this one thing, such as a mouse click
    │       └── KeyboardBlocked              the other end does not take keys, or would take them wrongly
    ├── RequestRefused              exit 1   an actuator will not do this: says why, before anything was done
    │   └── SignatureRefused                 the request is not signed, altered, replayed, or not of this moment
    ├── ActionFailed                exit 1   an actuator tried and could not; says whether trying again may help
    ├── Cancelled                   exit 1   an actuator was told to stop in the middle of a job
    ├── Later                                no failure: a job goes on later, and the worker is free until then
    ├── TwilioError                 exit 1   a request to Twilio came to nothing, as far as we know
    │   ├── TwilioRefused                    Twilio will not do it (4xx): asking again would not help
    │   ├── TwilioBusy                       Twilio has too much to do (429): it was not done
    │   ├── TwilioAway                       Twilio was not reached: it was not done
    │   └── TwilioUnclear                    no usable answer: it may have been done
    └── DBusError                   exit 1   a message bus, or who is asked on it, does not do its part

Exit statuses: 0 done, 1 a problem was found, 2 wrong usage or settings, 3 no picture source,
4 models or runtime missing, 5 no broker, 130 interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass


class EdgedError(Exception):
    """Base of all: `str(error)` is one sentence a user can act on."""

    exit_status = 1


@dataclass(frozen=True)
class SettingProblem:
    """One wrong setting: where (dotted path; empty: all of it), what was given, why it is wrong, what to do."""

    path: str
    value: object
    reason: str
    cure: str = ""

    def __str__(self) -> str:
        shown = "" if self.value is None else f" = {self.value!r}"
        cure = f" ({self.cure})" if self.cure else ""
        where = f"{self.path}{shown}: " if self.path else ""
        return f"{where}{self.reason}{cure}"


class SettingsError(EdgedError):
    """All that is wrong with a set of settings, at once."""

    exit_status = 2

    def __init__(self, problems: list[SettingProblem], origin: str = "settings") -> None:
        self.problems = problems
        self.origin = origin
        super().__init__(f"{origin}: " + "; ".join(str(problem) for problem in problems))


class SourceError(EdgedError):
    """A picture source cannot be used. `source` never contains a password."""

    exit_status = 3

    def __init__(self, source: str, reason: str, cure: str = "") -> None:
        self.source = source
        self.reason = reason
        self.cure = cure
        super().__init__(f"{source}: {reason}" + (f" ({cure})" if cure else ""))


class SourceUnsupported(SourceError):
    """The library or platform feature this source needs is not here."""


class SourceUnavailable(SourceError):
    """The source is absent, busy, unplugged or frozen; trying again may help."""


class FrameSlotError(EdgedError):
    """The shared frame memory is missing, foreign or too small."""


class ModelError(EdgedError):
    """A model file cannot be used."""

    exit_status = 4
    CURE = "edged models pull"

    def __init__(self, model: str, reason: str, cure: str = CURE) -> None:
        self.model = model
        self.reason = reason
        self.cure = cure
        super().__init__(f"model {model}: {reason}" + (f" (cure: {cure})" if cure else ""))


class ModelMissing(ModelError):
    """The model file is not on this device."""


class ModelCorrupt(ModelError):
    """The model file is not what the registry says it is."""


class RuntimeMissing(EdgedError):
    """No inference runtime is installed."""

    exit_status = 4


class BrokerError(EdgedError):
    """The MQTT broker is not there or refuses us. Never carries a password."""

    exit_status = 5


class StoreError(EdgedError):
    """What should be kept on disk cannot be: the folder, the database or the lock, and the cure."""


class RestoreUnfinished(StoreError):
    """A restore is under way in the folder, or was cut off: it must not be used like this."""


class EvidenceError(EdgedError):
    """Evidence cannot be opened, or is not what it was: says which file, which part, and never what is in it."""


class BackupError(EdgedError):
    """A backup cannot be made, opened or put back: says what stands in the way. Never carries the passphrase."""


class HookUnusable(EdgedError):
    """A hook is not installed, cannot be loaded, or is none: says which package's it is, as far as that is known."""

    def __init__(self, reason: str, cure: str = "") -> None:
        self.reason = reason
        self.cure = cure
        super().__init__(reason + (f" ({cure})" if cure else ""))


class GalleryError(EdgedError):
    """The gallery refuses: a name, a picture, or to go on after somebody changed it; and the cure."""


class UploadFailed(EvidenceError):
    """A copy of evidence was not made. refused: the store was reached and does not take it. Never carries a key."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        self.refused = refused
        super().__init__(reason)


class CommandRejected(EdgedError):
    """A command was understood and refused; the message is the answer the asker gets."""


class RecordingError(EdgedError):
    """A recorded observation file is damaged."""

    exit_status = 3


class RequestRefused(EdgedError):
    """An actuator will not do what is asked; nothing was done. Never carries sensitive text."""


class SignatureRefused(RequestRefused):
    """The request cannot be trusted. `kind` is what is counted: unsigned, altered, replayed, stale or clock."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(reason)


class ActionFailed(EdgedError):
    """An actuator tried and could not. Never carries sensitive text.

    retry: trying again later may help. retry_after_seconds: not before then, where the other end said so.
    """

    def __init__(self, reason: str, retry: bool = False, retry_after_seconds: float | None = None) -> None:
        self.retry = retry
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class Cancelled(EdgedError):
    """A job was told to stop and did; the message says how far it had come."""


class DBusError(EdgedError):
    """A message bus cannot be reached, or who is asked on it is not there, does not answer or refuses.

    name: of the D-Bus error where the other end sent one, e.g. `org.freedesktop.DBus.Error.AccessDenied`; else empty.
    """

    def __init__(self, reason: str, cure: str = "", name: str = "") -> None:
        self.reason = reason
        self.cure = cure
        self.name = name
        super().__init__(reason + (f" ({cure})" if cure else ""))


class Later(EdgedError):
    """Raised by a performer whose job is not over but has nothing to do for now; the message says what it waits for.

    seconds: after so long it gets another turn, or sooner when it is woken.
    """

    def __init__(self, reason: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(reason)


class TwilioError(EdgedError):
    """A request to Twilio came to nothing, as far as we know. Never carries credentials, numbers or texts."""


class TwilioRefused(TwilioError):
    """Twilio answered 4xx. status: of HTTP. code: Twilio's own (https://www.twilio.com/docs/api/errors); 0: none."""

    def __init__(self, reason: str, status: int, code: int) -> None:
        self.status = status
        self.code = code
        super().__init__(reason)


class TwilioBusy(TwilioError):
    """Twilio answered 429. retry_after_seconds: as it said, or None."""

    def __init__(self, reason: str, retry_after_seconds: float | None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class TwilioAway(TwilioError):
    """There was no connection: nothing was sent."""


class TwilioUnclear(TwilioError):
    """The request may have arrived: a timeout, a broken connection, 5xx, an answer that is none."""


class TypingError(EdgedError):
    """A text or key was not typed, or not all of it. Never carries sensitive text."""


class Untypeable(TypingError):
    """The layout has no keys for some characters; nothing was pressed.

    `positions` count code points from 0. `characters` has the character at each; for sensitive text it is empty.
    """

    def __init__(self, where: str, positions: list[int], characters: list[str]) -> None:
        self.where = where
        self.positions = positions
        self.characters = characters
        first = f" ({_character_name(characters[0])})" if characters else ""
        message = f"character {positions[0] + 1}{first} cannot be typed with {where}"
        if len(positions) > 1:
            others = list(dict.fromkeys(characters)) or [str(position + 1) for position in positions]
            shown = ", ".join(_character_name(other) if characters else other for other in others[:_SHOWN])
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            message += f"; {len(positions)} places in all: {shown}{more}"
        super().__init__(message)


_SHOWN = 20


def _character_name(character: str) -> str:
    code_points = " ".join(f"U+{ord(each):04X}" for each in character)
    return f"{character!r} {code_points}" if character.isprintable() else code_points


class ChordError(TypingError):
    """A chord names something that is no key, or no key of this layout."""

    def __init__(self, chord: str, reason: str, cure: str = "") -> None:
        self.chord = chord
        self.reason = reason
        self.cure = cure
        super().__init__(f"key {chord!r}: {reason}" + (f" ({cure})" if cure else ""))


class KeyboardError(TypingError):
    """A typing back end failed."""

    def __init__(self, backend: str, reason: str, cure: str = "") -> None:
        self.backend = backend
        self.reason = reason
        self.cure = cure
        super().__init__(f"{backend}: {reason}" + (f" ({cure})" if cure else ""))


class KeyboardUnavailable(KeyboardError):
    """The back end cannot be used here, or no longer."""


class KeyboardUnsupported(KeyboardError):
    """The back end cannot do this one thing."""


class KeyboardBlocked(KeyboardError):
    """The other end does not take keys, or would take them for others (Caps Lock, a held modifier)."""

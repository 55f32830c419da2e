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
    ├── CommandRejected             exit 1   a command was understood and refused
    └── RecordingError              exit 3   a recorded observation file is damaged

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
    """One wrong setting: where (dotted path), what was given, why it is wrong, what to do."""

    path: str
    value: object
    reason: str
    cure: str = ""

    def __str__(self) -> str:
        shown = "" if self.value is None else f" = {self.value!r}"
        cure = f" ({self.cure})" if self.cure else ""
        return f"{self.path}{shown}: {self.reason}{cure}"


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

    def __init__(self, model: str, reason: str, cure: str = "edged models pull") -> None:
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


class CommandRejected(EdgedError):
    """A command was understood and refused; the message is the answer the asker gets."""


class RecordingError(EdgedError):
    """A recorded observation file is damaged."""

    exit_status = 3

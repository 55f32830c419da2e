"""Settings from afar, carried out: `begin` says what a life starts with, a `Tuner` serves the doors while it lasts.

What is right is decided in `edged.remote` (pure) and kept by `KeptFile`; here is what follows from it: who is told,
what is tried, what is taken back.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
from pydantic import SecretStr

from edged.bus.bus import Bus
from edged.bus.message import Message
from edged.configuration.options import kinds_of, leaves, shown, value_at
from edged.errors import SettingProblem
from edged.events import Config, HealthStatus, iso_utc
from edged.notices import SETTINGS_APPLIED, SETTINGS_REFUSED, SETTINGS_ROLLED_BACK
from edged.remote import probation
from edged.remote.patch import leaves_of
from edged.remote.probation import Probation
from edged.remote.verdict import (
    Accepted,
    Door,
    Rejected,
    awaiting_restart,
    differing,
    judge,
    judge_overlay,
    taken_over,
)
from edged.settings import Settings
from edged.store.kept import KeptFile, Refused, Trial
from edged.topics import ConfigProblem, ConfigResult, ConfigState, camera_topic

log = logging.getLogger(__name__)

# A daemon that ended so often, not in good order, while a change was on trial: the change is taken back.
_BOOTS = 2
_START_SECONDS = 30.0
_HIDDEN = ("mqtt.", "store.", "models.", "hooks")


class Hands(Protocol):
    """What other settings may do to a life."""

    def adopt(self, settings: Settings) -> None:
        """Swap the live settings in, everywhere."""

    def restart(self, settings: Settings | None) -> None:
        """End this life so that another begins."""

    def told(self, body: Config) -> None:
        """Publish the event."""


@dataclass(frozen=True)
class Beginning:
    """What a life starts with. refusal: why wishes from before do not count. rolled_back: what was taken back, why."""

    file: Settings
    settings: Settings
    overlay: dict[str, Any]
    on_trial: bool = False
    refusal: tuple[SettingProblem, ...] = ()
    rolled_back: str = ""
    paths: tuple[str, ...] = ()


def begin(file: Settings, kept: KeptFile) -> Beginning:
    """Lay the wishes that are kept over the file's settings."""
    trial = kept.now.trial
    rolled_back = ""
    paths: tuple[str, ...] = ()
    if trial is not None and trial.boots >= _BOOTS:
        rolled_back = f"edged ended {trial.boots} times, not in good order, while they were tried"
        paths = _paths(trial.overlay)
        kept.replace(
            trial=None,
            revision=kept.now.revision + 1,
            refused=kept.now.refusing(Refused(digest(trial.overlay), rolled_back)),
        )
        trial = None
    elif trial is not None:
        trial = msgspec.structs.replace(trial, boots=trial.boots + 1)
        kept.replace(trial=trial)
    overlay = kept.now.overlay if trial is None else trial.overlay
    verdict = judge_overlay(file, overlay)
    if isinstance(verdict, Rejected):
        problems = "; ".join(str(problem) for problem in verdict.problems)
        log.error("settings from afar do not fit: %s", problems, extra=SETTINGS_REFUSED.extra())
        return Beginning(file, file, {}, refusal=verdict.problems, rolled_back=rolled_back, paths=paths)
    return Beginning(
        file, verdict.settings, overlay, on_trial=trial is not None, rolled_back=rolled_back, paths=paths
    )  # fmt: skip


class Tuner:
    """Serves `config/set` and `config/change` during one life."""

    def __init__(self, beginning: Beginning, kept: KeptFile, bus: Bus, hands: Hands) -> None:
        self._file = beginning.file
        self._running = beginning.settings
        self._wanted = beginning.settings
        self._overlay = beginning.overlay
        self._kept = kept
        self._bus = bus
        self._hands = hands
        self._probation: Probation | None = None
        self._beginning = beginning
        mqtt, camera = beginning.file.mqtt, beginning.file.camera
        self._doors: dict[str, Door] = {
            camera_topic(mqtt.prefix, camera, "config_set"): "config/set",
            camera_topic(mqtt.prefix, camera, "config_change"): "config/change",
        }

    @property
    def problems(self) -> tuple[str, ...]:
        """For health."""
        refused = [f"settings from afar do not count: {problem}" for problem in self._beginning.refusal[:1]]
        return (*refused, *filter(None, [self._kept.damage, self._kept.problem]))

    def start(self, now: float) -> None:
        """Say what counts; tell of what was taken back or refused at the start."""
        beginning = self._beginning
        if beginning.rolled_back:
            self._tell_rolled_back(beginning.paths, beginning.rolled_back)
        if beginning.refusal:
            self._result("rejected", "kept", problems=beginning.refusal)
        if beginning.on_trial:
            good = judge_overlay(self._file, self._kept.now.overlay)
            before = good.settings if isinstance(good, Accepted) else self._file
            self._try(differing(before, self._running), now, max(_START_SECONDS, self._seconds), well_before=True)
        self._tell_state()

    def close(self) -> None:
        """The life ends in good order: what is on trial is not to blame for it."""
        trial = self._kept.now.trial
        if trial is not None and trial.boots:
            self._kept.replace(trial=msgspec.structs.replace(trial, boots=0))

    # -- the doors ----------------------------------------------------------------------------------------------

    def take(self, message: Message, status: HealthStatus, now: float) -> bool:
        """Serve a message if it came to one of the doors."""
        door = self._doors.get(message.topic)
        if door is None:
            return False
        if door == "config/change" and message.retain:
            if message.payload:
                problem = SettingProblem(
                    "payload", None, "is retained, and would be repeated with every connect",
                    "publish without the retain flag, and clear this one with an empty retained message",
                )  # fmt: skip
                self._result("rejected", door, problems=(problem,), asked=message)
            return True
        if not self._file.remote.enabled:
            if message.payload:
                problem = SettingProblem("payload", None, "settings from afar are switched off",
                                         "remote.enabled = true in the settings file")  # fmt: skip
                self._result("rejected", door, problems=(problem,), asked=message)
            return True
        verdict = judge(self._file, self._overlay, message.payload, door)
        if isinstance(verdict, Rejected):
            self._result("rejected", door, problems=verdict.problems, asked=message)
        elif door == "config/set" and (reason := self._refused(verdict.overlay)):
            problem = SettingProblem("payload", None, f"was tried before and taken back: {reason}",
                                     "publish other settings, or clear this message")  # fmt: skip
            self._result("rejected", door, problems=(problem,), asked=message)
        else:
            self._accept(verdict, door, message, status, now)
        return True

    def _accept(self, verdict: Accepted, door: Door, message: Message, status: HealthStatus, now: float) -> None:
        changed = differing(self._wanted, verdict.settings)
        before = self._overlay
        if verdict.overlay != before:
            last = self._kept.now.trial or Trial(self._kept.now.overlay, self._kept.now.sources)
            self._overlay = verdict.overlay
            self._kept.replace(
                revision=self._kept.now.revision + 1,
                trial=Trial(verdict.overlay, _sources(last, verdict.overlay, door)),
            )
        if door == "config/change" or verdict.overlay != before or not message.retain:
            # Of config/set too: something of ours may have taken its place at the broker meanwhile; or it was not
            # retained, and what was wished before would come again with the next connect.
            self._desire()
        self._wanted = verdict.settings
        swapped = self._swap()
        if swapped:
            # What is broken already when a change comes is not the change's fault.
            well = status in ("ok", "degraded") if self._probation is None else self._probation.well_before
            self._try(swapped, now, self._seconds, well_before=well)
        elif self._probation is None and not awaiting_restart(self._running, self._wanted):
            self._keep()  # nothing that could fail
        if changed:
            log.info("settings from afar: %s", ", ".join(changed), extra=SETTINGS_APPLIED.extra())
            self._hands.told(Config("applied", self._kept.now.revision, changed, ""))
        self._result("accepted", door, changed=changed, asked=message)
        self._tell_state()

    # -- probation ----------------------------------------------------------------------------------------------

    def lost(self, trouble: str, *, final: bool) -> None:
        """A child ended unasked."""
        if self._probation is not None:
            self._probation = probation.lost(self._probation, trouble, final=final)

    def tick(self, status: HealthStatus, reason: str, now: float) -> None:
        """Look whether what is on trial has proved itself or failed."""
        if self._probation is None:
            return
        self._probation, finding = probation.judge(self._probation, status, reason, now)
        if finding.outcome == "kept":
            self._probation = None
            if not awaiting_restart(self._running, self._wanted):
                self._keep()
            self._tell_state()
        elif finding.outcome == "failed":
            self._roll_back(finding.reason)

    def _try(self, paths: list[str], now: float, seconds: float, *, well_before: bool) -> None:
        concerned = any(path.startswith("capture.") for path in paths)
        if self._probation is not None:
            concerned = concerned or self._probation.camera_concerned
        self._probation = Probation(now, seconds, well_before, concerned)

    def _keep(self) -> None:
        trial = self._kept.now.trial
        if trial is not None:
            self._kept.replace(overlay=trial.overlay, sources=trial.sources, trial=None)

    def _roll_back(self, reason: str) -> None:
        """The wishes before count again."""
        self._probation = None
        bad, good = self._overlay, self._kept.now.overlay
        verdict = judge_overlay(self._file, good)
        if isinstance(verdict, Rejected):
            good, verdict = {}, Accepted({}, self._file)
        paths = tuple(differing(self._wanted, verdict.settings))
        self._kept.replace(
            trial=None,
            revision=self._kept.now.revision + 1,
            refused=self._kept.now.refusing(Refused(digest(bad), reason)),
        )
        self._overlay, self._wanted = good, verdict.settings
        self._swap()
        self._tell_rolled_back(paths, reason)
        self._tell_state()
        if awaiting_restart(self._running, self._wanted):
            self._hands.restart(None)

    def _tell_rolled_back(self, paths: tuple[str, ...], reason: str) -> None:
        said = ", ".join(paths)
        log.error("settings from afar are taken back (%s): %s", said, reason, extra=SETTINGS_ROLLED_BACK.extra())
        self._desire()
        self._hands.told(Config("rolled_back", self._kept.now.revision, list(paths), reason))
        problem = SettingProblem(", ".join(paths), None, f"taken back: {reason}", "wish for other settings")
        self._result("rolled_back", "kept", changed=list(paths), problems=(problem,))

    # -- inside -------------------------------------------------------------------------------------------------

    @property
    def _seconds(self) -> float:
        return self._file.remote.probation_seconds

    def _refused(self, overlay: Mapping[str, Any]) -> str:
        wanted = digest(overlay)
        return next((one.reason for one in self._kept.now.refused if one.digest == wanted), "")

    def _swap(self) -> list[str]:
        """Bring into effect what needs no restart; the paths that this changed."""
        after = taken_over(self._running, self._wanted)
        changed = differing(self._running, after)
        if changed:
            self._running = after
            self._hands.adopt(after)
        return changed

    def _desire(self) -> None:
        """What is retained on `config/set` is to be what counts."""
        payload = json.dumps(self._overlay, ensure_ascii=False).encode() if self._overlay else b""
        self._bus.desire(payload)

    def _result(
        self,
        status: Any,
        source: Any,
        *,
        changed: list[str] | None = None,
        problems: tuple[SettingProblem, ...] = (),
        asked: Message | None = None,
    ) -> None:
        if status == "rejected":
            reasons = "; ".join(str(problem) for problem in problems)[:1000]
            log.warning("%s refused: %s", source, reasons, extra=SETTINGS_REFUSED.extra())
        self._bus.say(
            "config_result",
            ConfigResult(
                status,
                self._kept.now.revision,
                iso_utc(time.time_ns()),
                source,
                changed or [],
                awaiting_restart(self._running, self._wanted),
                [ConfigProblem(each.path, each.reason, each.cure, _plain(each.value)) for each in problems],
            ),
            asked,
        )

    def _tell_state(self) -> None:
        kept = self._kept.now
        sources = kept.sources if kept.trial is None else kept.trial.sources
        self._bus.tell(
            "config_state",
            ConfigState(
                iso_utc(time.time_ns()),
                kept.revision,
                visible(self._running),
                {".".join(path): sources.get(".".join(path), "config/set") for path, _ in leaves_of(self._overlay)},
                awaiting_restart(self._running, self._wanted),
                self._probation is not None,
            ),
        )


def visible(settings: Settings) -> dict[str, Any]:
    """The settings as anybody may see them, nested: without broker, paths and secrets."""
    nested: dict[str, Any] = {}
    for leaf in leaves():
        if leaf.path.startswith(_HIDDEN) or {SecretStr, Path} & set(kinds_of(leaf.field)):
            continue
        *sections, name = leaf.path.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = shown(value_at(settings, leaf.path))
    return nested


def digest(overlay: Mapping[str, Any]) -> str:
    """The same for the same wishes, however they are written."""
    return hashlib.sha256(json.dumps(overlay, sort_keys=True).encode()).hexdigest()[:32]


def _sources(before: Trial, overlay: Mapping[str, Any], door: Door) -> dict[str, str]:
    """Where each wish came: those that are as they were keep their origin."""
    old = dict(leaves_of(before.overlay))
    found = {}
    for path, value in leaves_of(overlay):
        name = ".".join(path)
        same = path in old and old[path] == value
        found[name] = before.sources.get(name, door) if same else door
    return found


def _paths(overlay: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(".".join(path) for path, _ in leaves_of(overlay))


def _plain(value: object) -> Any:
    """A value as JSON can say it."""
    return value if value is None or isinstance(value, str | int | float | bool | list | dict) else str(value)

"""Orders evidence: which events are worth pictures, a key for each file, and what becomes of it.

The pictures are encrypted and written by the process that has them; this one has the owner's key and never a picture.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged import clock
from edged.daemon.recorder import Recorder
from edged.errors import SettingsError
from edged.evidence.album import Album
from edged.evidence.container import Header
from edged.evidence.key import evidence_key
from edged.evidence.sealing import file_key, key_name, new_salt
from edged.messages import EvidenceKept, KeepEvidence
from edged.notices import EVIDENCE_FAILED
from edged.settings import Settings
from edged.store.directory import evidence_directory

log = logging.getLogger(__name__)

# After the last picture should have been taken: so long until it is given up.
_GIVEN_UP_SECONDS = 15.0


class EvidenceClerk:
    """Of one life of a daemon. For its thread; `prune` runs on the recorder's."""

    def __init__(
        self, settings: Settings, folder: Path | None, recorder: Recorder, send: Callable[[KeepEvidence], bool]
    ) -> None:
        """folder: of what is kept, None: nothing can be. send: to the process that has the pictures; False: it is away."""
        self._settings = settings.evidence
        self._limit_bytes = self._settings.limit_megabytes * 1024 * 1024
        self._camera = settings.camera
        self._recorder = recorder
        self._send = send
        self._key: bytes | None = None
        self._ordered: dict[str, float] = {}
        self._last: dict[tuple[str, str], float] = {}
        self.problem = ""
        self._album = Album(evidence_directory(folder, settings.camera)) if folder is not None else None
        if self._album is not None:
            recorder.chore(self._prune)
        if not self._settings.enabled:
            return
        if self._album is None:
            self.problem = "evidence is not kept: there is no folder for it (store.directory)"
        else:
            try:
                self._key = evidence_key(self._settings)
            except SettingsError as error:
                # Watching on without evidence is better than not watching; health says so until it is cured.
                self.problem = f"evidence is not kept: {error}"
        if self.problem:
            log.error("%s", self.problem)

    def happened(self, payload: Mapping[str, Any], captured_ns: int, now: float) -> None:
        """An event was told: order evidence of it, if it is worth it. captured_ns, now: CLOCK_MONOTONIC."""
        if self._key is None or self._album is None or not self._wanted(payload, now):
            return
        event, salt = str(payload["id"]), new_salt()
        header = Header(
            event, self._camera, str(payload["kind"]), str(payload["at"]), salt.hex(), key_name(self._key), []
        )
        order = KeepEvidence(
            event,
            msgspec.json.encode(header),
            file_key(self._key, salt, event),
            json.dumps(payload, ensure_ascii=False).encode(),
            str(self._album.folder.absolute()),
            captured_ns,
        )
        if self._send(order):
            self._ordered[event] = now + self._settings.after_seconds + _GIVEN_UP_SECONDS
        else:
            self._failed(event, "the process that has the pictures is being replaced")

    def kept(self, message: EvidenceKept) -> None:
        """What became of an order."""
        self._ordered.pop(message.event, None)
        if message.reason:
            self._failed(message.event, message.reason)
            return
        self.problem = ""
        log.info(
            "evidence of %s: %d pictures, %d bytes", message.event, message.pictures, message.bytes,
            extra={"EVENT_ID": message.event},
        )  # fmt: skip
        self._record("kept", event=message.event, pictures=message.pictures, bytes=message.bytes, sha256=message.sha256)
        # Not only every hour: within one, a seat where much happens would keep many times what it may.
        self._recorder.soon(self._make_room)

    def tick(self, now: float) -> None:
        """Give up what was ordered of a process that is gone."""
        for event in [event for event, deadline in self._ordered.items() if now >= deadline]:
            del self._ordered[event]
            self._failed(event, "the process that had the pictures ended")

    def _wanted(self, payload: Mapping[str, Any], now: float) -> bool:
        kind, verdict = str(payload["kind"]), str(payload.get("verdict", ""))
        if kind not in self._settings.kinds or (kind == "security" and verdict not in self._settings.verdicts):
            return False
        last = self._last.get((kind, verdict))
        if last is not None and now - last < self._settings.pause_seconds:
            return False
        self._last[(kind, verdict)] = now
        return True

    def _failed(self, event: str, reason: str) -> None:
        self.problem = f"the last evidence was not kept: {reason}"
        log.error("evidence of %s: %s", event, reason, extra=EVIDENCE_FAILED.extra(EVENT_ID=event))
        self._record("failed", event=event, reason=reason)

    def _record(self, what: str, **data: Any) -> None:
        self._recorder.action("evidence", {"what": what, **data})

    def _make_room(self) -> None:
        assert self._album is not None
        if self._album.used_bytes() > self._limit_bytes:
            self._prune()

    def _prune(self) -> None:
        """Delete what is too old or too much, also of times when evidence was kept and now is not."""
        assert self._album is not None
        for entry in self._album.prune(clock.for_ages(), self._settings.keep_days * 86400, self._limit_bytes):
            log.info("evidence of %s: deleted, for its age or the room it takes", entry.event)
            self._record("deleted", event=entry.event, reason="retention")

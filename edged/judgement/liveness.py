"""Is a face of flesh: three witnesses, per track. Advice for the policy: a camera alone does not make a lock.

The network says print, replay or live on single pictures; its mean over several looks counts. The motion of the
landmarks says whether the face moves as a plane would. A challenge says whether it does what it is asked. Blinks count
only beside others: a video blinks, too.

=============  ===========================================  ===========================================
network        motion, challenge                            verdict
=============  ===========================================  ===========================================
spoof          whatever                                     spoof (print or replay)
live           flat, and no challenge passed                undecided: the two contradict each other
live           else                                         live
undecided      flat, and no challenge passed                spoof (flat)
undecided      a challenge was passed                       live
undecided      else                                         undecided
no spoof       the last challenge failed, failed_challenge  spoof (challenge)
               is "spoof"
undecided      the last challenge failed                    undecided
=============  ===========================================  ===========================================
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from statistics import fmean
from typing import NamedTuple

import msgspec

from edged.events import Alive, Attack, LivenessVerdict
from edged.observations import Face, Liveness
from edged.settings.verdicts import LivenessJudgementSettings

MILLISECONDS = 1000.0
_LOST_MS = 3000.0


class Look(msgspec.Struct, frozen=True):
    """One look of the network, and what motion said then."""

    at_ms: float
    seen: Liveness


class Track(msgspec.Struct, frozen=True):
    """What is known of one face. passed_ms, failed_ms: when a challenge was. blinked: a blink was seen."""

    track: int
    seen_ms: float
    looks: tuple[Look, ...] = ()
    blinked: bool = False
    passed_ms: float | None = None
    failed_ms: float | None = None
    verdict: LivenessVerdict = "undecided"
    attack: Attack | None = None
    score: float | None = None
    witnesses: tuple[str, ...] = ()
    since_wall_ns: int = 0


class LivenessMemory(msgspec.Struct, frozen=True):
    """tracks: of every face in view or just lost. looked: there has ever been a look, or a challenge."""

    tracks: tuple[Track, ...] = ()
    looked: bool = False

    def of(self, track: int) -> Track | None:
        """What is known of a face."""
        return next((one for one in self.tracks if one.track == track), None)


class Answered(NamedTuple):
    """A challenge has ended on a face."""

    track: int
    passed: bool


def step(
    settings: LivenessJudgementSettings,
    memory: LivenessMemory,
    faces: Sequence[Face],
    *,
    blinked: Collection[int],
    answered: Answered | None,
    at_ms: float,
    wall_ns: int,
) -> tuple[LivenessMemory, list[Alive]]:
    """Take in the faces of a frame. blinked: tracks of which a blink was told now; answered: a challenge that ended now."""
    seen = {face.track: face for face in faces}
    kept = {one.track: one for one in memory.tracks if one.track in seen or at_ms - one.seen_ms <= _LOST_MS}
    told = []
    for number, face in seen.items():
        before = kept.get(number) or Track(number, at_ms, since_wall_ns=wall_ns)
        after = _looked(settings, before, face.liveness, at_ms)
        if number in blinked:
            after = msgspec.structs.replace(after, blinked=True)
        if answered is not None and answered.track == number:
            after = msgspec.structs.replace(
                after,
                passed_ms=at_ms if answered.passed else None,
                failed_ms=None if answered.passed else at_ms,
            )
        finding = _judged(settings, after, at_ms)
        after = msgspec.structs.replace(
            after,
            verdict=finding.verdict,
            attack=finding.attack,
            score=finding.score,
            witnesses=finding.witnesses,
        )
        if (after.verdict, after.attack) != (before.verdict, before.attack):
            after = msgspec.structs.replace(after, since_wall_ns=wall_ns)
            told.append(_event(after, before.verdict))
        kept[number] = after
    looked = memory.looked or answered is not None or any(face.liveness is not None for face in faces)
    return LivenessMemory(tuple(kept.values()), looked), told


def known_by_now(memory: LivenessMemory, faces: Sequence[Face]) -> list[Alive]:
    """What is to be told of faces that were judged before anybody counted as there."""
    found = [memory.of(face.track) for face in faces]
    return [_event(one, "undecided") for one in found if one is not None and one.verdict != "undecided"]


def _event(track: Track, previous: LivenessVerdict) -> Alive:
    return Alive(track.verdict, track.attack, track.score, list(track.witnesses), previous, track.track)


def _looked(settings: LivenessJudgementSettings, track: Track, look: Liveness | None, at_ms: float) -> Track:
    oldest = at_ms - settings.memory_seconds * MILLISECONDS
    looks = tuple(one for one in track.looks if one.at_ms >= oldest)
    if look is not None:
        looks = (*looks, Look(at_ms, look))[-settings.memory_looks :]
    return msgspec.structs.replace(track, looks=looks, seen_ms=at_ms)


class _Finding(NamedTuple):
    verdict: LivenessVerdict
    attack: Attack | None
    score: float | None
    witnesses: tuple[str, ...]


def _judged(settings: LivenessJudgementSettings, track: Track, at_ms: float) -> _Finding:
    passed = track.passed_ms is not None and (
        at_ms - track.passed_ms <= settings.challenge_valid_seconds * MILLISECONDS
    )
    said = _network(settings, track)
    flat = _is_flat(settings, track) and not passed
    beside = ("challenge",) * passed + ("blinks",) * (track.blinked and not flat)
    if said.verdict == "spoof":
        return _Finding("spoof", said.attack, said.score, ("network", *(("motion",) * flat)))
    if flat:
        return (
            _Finding("undecided", None, None, ())
            if said.verdict == "live"
            else _Finding("spoof", "flat", None, ("motion",))
        )
    if track.failed_ms is not None and settings.failed_challenge == "spoof":
        return _Finding("spoof", "challenge", None, ("challenge",))
    if track.failed_ms is not None and said.verdict != "live":
        return _Finding("undecided", None, None, ())
    if said.verdict == "live":
        return _Finding("live", None, said.score, ("network", *beside))
    if passed:
        return _Finding("live", None, None, beside)
    if "network" in track.witnesses and len(track.looks) < settings.looks:
        # The looks have grown old and no new ones have come: nothing says otherwise.
        return _Finding(track.verdict, track.attack, track.score, track.witnesses)
    return _Finding("undecided", None, None, ())


def _network(settings: LivenessJudgementSettings, track: Track) -> _Finding:
    """What the network's looks come to."""
    if len(track.looks) < settings.looks:
        return _Finding("undecided", None, None, ())
    printed = fmean(one.seen.printed for one in track.looks)
    replayed = fmean(one.seen.replayed for one in track.looks)
    live = fmean(one.seen.live for one in track.looks)
    if printed + replayed >= settings.spoof_score:
        return _Finding("spoof", "print" if printed >= replayed else "replay", round(printed + replayed, 4), ())
    if live >= settings.live_score:
        return _Finding("live", None, round(live, 4), ())
    return _Finding("undecided", None, None, ())


def _is_flat(settings: LivenessJudgementSettings, track: Track) -> bool:
    """The last looks at which the face had moved agree that it did so as a plane."""
    flats = [one.seen.flatness for one in track.looks if one.seen.flatness is not None][-settings.looks :]
    return len(flats) >= settings.looks and fmean(flats) >= settings.flat_score

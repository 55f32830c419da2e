"""Who a face is: votes of single looks, per track.

A look speaks for a person, for "unknown" or for nobody (too near to a second person). A name is given when enough looks
agree, and taken back when the evidence turns: when too few of those remembered still agree, or several in a row do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from edged.events import Who, WhoVerdict
from edged.observations import Face, Identity
from edged.settings.verdicts import IdentitySettings

MILLISECONDS = 1000.0
_UNKNOWN = ""  # no name is empty


class Look(msgspec.Struct, frozen=True):
    """One look-up. choice: a person's name, empty for a stranger, None for nobody. weight: the picture's quality.

    similarity: cosine to the enrolled person who is nearest; None: nobody is enrolled.
    """

    at_ms: float
    choice: str | None
    weight: float
    similarity: float | None
    threshold: float
    stranger: str | None = None


class Track(msgspec.Struct, frozen=True):
    """What is known of one face. looks: oldest first. since_wall_ns: of the verdict."""

    track: int
    seen_ms: float
    looks: tuple[Look, ...] = ()
    verdict: WhoVerdict = "undecided"
    person: str | None = None
    stranger: str | None = None
    since_wall_ns: int = 0


class IdentityMemory(msgspec.Struct, frozen=True):
    """tracks: of every face in view or just lost. looked: there has ever been a look."""

    tracks: tuple[Track, ...] = ()
    looked: bool = False

    def of(self, track: int) -> Track | None:
        """What is known of a face."""
        return next((one for one in self.tracks if one.track == track), None)


def step(
    settings: IdentitySettings, memory: IdentityMemory, faces: Sequence[Face], *, at_ms: float, wall_ns: int
) -> tuple[IdentityMemory, list[Who]]:
    """Take in the faces of a frame; without any, time passes."""
    seen = {face.track: face for face in faces}
    kept = {
        one.track: one
        for one in memory.tracks
        if one.track in seen or at_ms - one.seen_ms <= settings.lost_seconds * MILLISECONDS
    }
    told = []
    for number, face in seen.items():
        before = kept.get(number) or Track(number, at_ms, since_wall_ns=wall_ns)
        after = _looked(settings, before, face.identity, at_ms)
        after = _judged(settings, after)
        if (after.verdict, after.person, after.stranger) != (before.verdict, before.person, before.stranger):
            after = msgspec.structs.replace(after, since_wall_ns=wall_ns)
            # Of a stranger, a cluster that is found or renamed is news; of a face that was and is undecided, nothing is.
            told.append(_event(after, before))
        kept[number] = after
    looked = memory.looked or any(face.identity is not None for face in faces)
    return IdentityMemory(tuple(kept.values()), looked), told


def similarity_of(looks: Sequence[Look]) -> float | None:
    """Mean cosine of these looks to the enrolled person who is nearest; None: nobody was enrolled."""
    found = [one.similarity for one in looks if one.similarity is not None]
    return round(sum(found) / len(found), 4) if found else None


def known_by_now(memory: IdentityMemory, faces: Sequence[Face]) -> list[Who]:
    """What is to be told of faces that were judged before anybody counted as there."""
    found = [memory.of(face.track) for face in faces]
    return [_event(one, Track(one.track, one.seen_ms)) for one in found if one is not None and _mine(one) is not None]


def _looked(settings: IdentitySettings, track: Track, look: Identity | None, at_ms: float) -> Track:
    oldest = at_ms - settings.memory_seconds * MILLISECONDS
    looks = tuple(one for one in track.looks if one.at_ms >= oldest)
    if look is not None and look.quality >= settings.least_quality:
        looks = (*looks, _vote(settings, look, at_ms))[-settings.memory_looks :]
        recent = looks[-settings.contrary_looks :]
        mine = _mine(track)
        if mine is not None and len(recent) == settings.contrary_looks and all(one.choice != mine for one in recent):
            looks = recent  # somebody else sits there now: what was seen before says nothing of him
    return msgspec.structs.replace(track, looks=looks, seen_ms=at_ms)


def _vote(settings: IdentitySettings, look: Identity, at_ms: float) -> Look:
    choice: str | None = _UNKNOWN
    stranger = None
    similarity = None if look.person is None else look.similarity
    if look.stranger:
        similarity = look.runner_up  # how near the cluster is says nothing of those who are enrolled
    if look.person is not None and look.similarity >= look.threshold:
        near = look.runner_up is not None and look.similarity - look.runner_up < settings.margin
        if look.stranger:
            stranger = look.person
        else:
            choice = None if near else look.person
    return Look(at_ms, choice, max(look.quality, 1e-3), similarity, look.threshold, stranger)


class _Tally(NamedTuple):
    choice: str | None
    looks: int
    share: float


def _tallies(looks: Sequence[Look]) -> list[_Tally]:
    """For each choice how many looks speak for it, and what share of all by weight; the heaviest first."""
    total = sum(one.weight for one in looks)
    found = []
    for choice in dict.fromkeys(one.choice for one in looks if one.choice is not None):
        mine = [one for one in looks if one.choice == choice]
        found.append(_Tally(choice, len(mine), sum(one.weight for one in mine) / total))
    return sorted(found, key=lambda each: each.share, reverse=True)


def _judged(settings: IdentitySettings, track: Track) -> Track:
    tallies = _tallies(track.looks)
    best = tallies[0] if tallies else None
    mine = _mine(track)
    if best is not None and best.looks >= settings.looks and best.share >= settings.share:
        if best.choice == _UNKNOWN:
            return msgspec.structs.replace(track, verdict="unknown", person=None, stranger=_cluster(track.looks))
        return msgspec.structs.replace(track, verdict="known", person=best.choice, stranger=None)
    if mine is None:
        return track
    still = next((each for each in tallies if each.choice == mine), None)
    if still is not None and still.share >= settings.keep_share:
        return track
    return msgspec.structs.replace(track, verdict="undecided", person=None, stranger=None)


def _mine(track: Track) -> str | None:
    """The choice that the track's verdict is; None while it is undecided."""
    return None if track.verdict == "undecided" else track.person or _UNKNOWN


def _cluster(looks: Sequence[Look]) -> str | None:
    """The cluster of the newest look that names one."""
    return next((one.stranger for one in reversed(looks) if one.stranger is not None), None)


def _event(after: Track, before: Track) -> Who:
    mine = _mine(after)
    agreeing = [one for one in after.looks if mine is not None and one.choice == mine]
    return Who(
        verdict=after.verdict,
        person=after.person,
        stranger=after.stranger,
        previous=before.verdict,
        previous_person=before.person,
        similarity=similarity_of(agreeing),
        threshold=agreeing[-1].threshold if agreeing else None,
        looks=len(agreeing),
        of_looks=len(after.looks),
        track=after.track,
    )

"""Is somebody there, and how many: debounced both ways."""

from __future__ import annotations

import msgspec

from edged.events import Presence
from edged.settings import PresenceSettings

MILLISECONDS = 1000.0
_GAP_MS = 2000.0  # what was seen so long before a pause says nothing of what was meanwhile


class PresenceMemory(msgspec.Struct, frozen=True):
    """people: as last told. candidate: another number that has been seen since candidate_ms without a break.

    While more are seen than told, candidate is the fewest of them; while fewer, the most: what was true throughout.
    """

    people: int = 0
    at_ms: float = 0.0
    since_wall_ns: int = 0
    candidate: int = 0
    candidate_ms: float = 0.0
    candidate_frame: int = 0
    candidate_wall_ns: int = 0


def step(
    settings: PresenceSettings, memory: PresenceMemory, seen: int, *, at_ms: float, frame: int, wall_ns: int
) -> tuple[PresenceMemory, Presence | None]:
    """Take in that `seen` faces are in view now."""
    if not memory.since_wall_ns:
        memory = msgspec.structs.replace(memory, since_wall_ns=wall_ns)
    before_ms, memory = memory.at_ms, msgspec.structs.replace(memory, at_ms=at_ms)
    if seen == memory.people:
        return msgspec.structs.replace(memory, candidate=seen), None
    # More people wait for the shorter time, fewer for the longer; a number that wavers on one side keeps its start.
    rising, rose = seen > memory.people, memory.candidate > memory.people
    if memory.candidate == memory.people or rising != rose or at_ms - before_ms > _GAP_MS:
        memory = msgspec.structs.replace(
            memory, candidate=seen, candidate_ms=at_ms, candidate_frame=frame, candidate_wall_ns=wall_ns
        )
    else:
        throughout = min(seen, memory.candidate) if rising else max(seen, memory.candidate)
        memory = msgspec.structs.replace(memory, candidate=throughout)
    wait = settings.arrive_seconds if rising else settings.leave_seconds
    if at_ms - memory.candidate_ms < wait * MILLISECONDS:
        return memory, None
    people = memory.candidate
    change: Presence = Presence(
        "arrived" if memory.people == 0 else "left" if people == 0 else "count", people, memory.candidate_frame
    )
    since = memory.since_wall_ns if change.change == "count" else memory.candidate_wall_ns
    return PresenceMemory(people=people, at_ms=at_ms, since_wall_ns=since, candidate=people), change

"""When a face is asked about: often while it is new or in doubt, then rarely, within a share of the processor time."""

from __future__ import annotations

from dataclasses import dataclass

from edged.observations import Box
from edged.settings.recognition import LATEST_FACTOR

_FIRST_SECONDS = 0.2  # between the looks at a face that is new or in doubt
_POOR_SECONDS = 0.1  # after a picture that was not worth asking about
_SETTLED_LOOKS = 5  # so many looks in a row that say the same settle a face
_HIDDEN_SECONDS = 0.7  # who was away for this long may come back as another
_JUMP_WIDTHS = 0.6  # so does a face that is this far from where it was on the frame before


@dataclass
class Attention:
    """What is remembered of one track's looks. says: what the last ones said, all alike."""

    seen_at: float
    box: Box
    next_at: float
    looked_at: float = -1e9
    agreeing: int = 0
    says: object = None

    def sees(self, box: Box, at_seconds: float) -> None:
        """The face is here now; if that may be another face, it is new again."""
        across = abs(box.x + box.width / 2 - self.box.x - self.box.width / 2)
        if at_seconds - self.seen_at > _HIDDEN_SECONDS or across > _JUMP_WIDTHS * box.width:
            self.doubt(at_seconds)
        self.seen_at, self.box = at_seconds, box

    def doubt(self, at_seconds: float) -> None:
        """Whose face this is must be asked as of a new one."""
        self.agreeing, self.next_at = 0, at_seconds

    @property
    def settled(self) -> bool:
        """The last looks agree."""
        return self.agreeing >= _SETTLED_LOOKS

    def said(self, says: object, at_seconds: float, recheck_seconds: float) -> None:
        """A look's answer. One that is unlike the last brings the face in doubt again."""
        self.agreeing = self.agreeing + 1 if says == self.says else 1
        self.says = says
        self.looked_at = at_seconds
        over = self.agreeing - _SETTLED_LOOKS
        wait = _FIRST_SECONDS if over < 0 else min(recheck_seconds, _FIRST_SECONDS * 2 ** min(20, over + 1))
        self.next_at = at_seconds + wait

    def poor(self, at_seconds: float) -> None:
        """The picture was not worth a look."""
        self.next_at = at_seconds + _POOR_SECONDS

    def overdue(self, at_seconds: float, recheck_seconds: float) -> bool:
        """Whatever it costs, it is time."""
        return at_seconds - self.looked_at > LATEST_FACTOR * recheck_seconds


class Budget:
    """Processor time spent on settled faces against the pipeline's, in seconds of this thread."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._spent = 0.0
        self._dearest = 0.0

    def bears(self, now: float, share: float) -> bool:
        """Whether one more look would stay within this share of all time since the faces settled."""
        if self._begun is None:
            self._begun = now
        return self._spent + self._dearest <= share * (now - self._begun)

    def looked(self, seconds: float) -> None:
        """What a look cost, at whatever face: the next one will cost as much."""
        self._dearest = max(0.9 * self._dearest, seconds)

    def spend(self, seconds: float) -> None:
        """This was spent within the budget."""
        self._spent += seconds

"""Watching the eyes of a followed face: which of them the network is asked about on this frame.

An eye whose picture did not change keeps its last answer. Eyes of one person go together, so while one of them says
as before, the other may wait a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.inference.crops import Glance, Image, Square, steady
from edged.inference.eyes import Eye, EyeReader, blocks, changed, eye_square
from edged.inference.face_mesh import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS, Mesh

_SAME_OPENING = 0.1  # an eye whose lids opened or closed by less than this share is as before
_SAME_OFFSET = 0.02  # and whose iris moved by less than this share of the eye's width: about three degrees
_ALTERNATE = 1.5  # up to this many times the limit, every second frame is asked
_BLOCK_LEVELS_PER_LEVEL = 4.0  # one block of an eye may change this much more than `iris_skip_levels`


@dataclass
class EyeMemory:
    """What was last asked about one eye. glance: looks at where the eye is now; square: where it was last told."""

    mesh: Mesh | None = None
    glance: Glance | None = None
    blocks: Image | None = None
    eye: Eye | None = None
    square: Square | None = None
    skipped: bool = False

    def read(self, reader: EyeReader, image: Image, now: Image, *, right: bool) -> None:
        """Ask the network. now: the blocks by which the next pictures are judged."""
        assert self.glance is not None
        self.square = self.glance.square
        self.eye = reader.read(image, self.square, right=right)
        self.blocks = now
        self.skipped = False

    def may_rest(self, mesh: Mesh) -> bool:
        """Whether this eye was still when last looked at, in a face that was not measured again since."""
        return self.skipped and self.mesh is mesh

    def skip(self) -> None:
        """Keep the last answer, where the eye is now."""
        assert self.glance is not None
        assert self.eye is not None
        assert self.square is not None
        if self.square is not self.glance.square:
            self.eye = self.eye.moved(self.square, self.glance.square)
            self.square = self.glance.square
        self.skipped = True


@dataclass
class WatchedEyes:
    """Both eyes of a face, the sitter's own right and left. turn: whose turn it is to be looked at first."""

    right: EyeMemory = field(default_factory=EyeMemory)
    left: EyeMemory = field(default_factory=EyeMemory)
    turn: bool = False


class EyeWatch:
    """Decides and asks."""

    def __init__(self, reader: EyeReader) -> None:
        self._reader = reader

    def read(self, eyes: WatchedEyes, mesh: Mesh, image: Image, still_levels: float) -> None:
        """Bring the eyes of this face up to date. still_levels: `iris_skip_levels`; 0 asks about both, always."""
        eyes.turn = not eyes.turn
        due: list[tuple[EyeMemory, bool, Image]] = []
        in_turn = ((eyes.right, True), (eyes.left, False))[:: 1 if eyes.turn else -1]
        for number, (memory, right) in enumerate(in_turn):
            if number and not due and memory.may_rest(mesh):
                continue  # of two still eyes one is looked at per frame
            now = self._look(image, memory, mesh, still_levels, right=right)
            if now is not None:
                due.append((memory, right, now))
        # The eyes of one person go together: while the one, asked in turn, says as before, the other may wait.
        due.sort(key=lambda one: not one[0].skipped)
        for memory, right, now in due:
            before = memory.eye
            memory.read(self._reader, image, now, right=right)
            other = due[-1][0]
            if other is memory or before is None or still_levels <= 0:
                continue
            if other.eye is not None and not other.skipped and _same(before, memory.eye):
                other.skip()
                break

    def _look(self, image: Image, memory: EyeMemory, mesh: Mesh, still_levels: float, *, right: bool) -> Image | None:
        """Find the eye where it is now; returns what is seen there if the network should be asked."""
        glance = memory.glance
        if glance is None or glance.shape != image.shape or memory.mesh is not mesh:
            memory.mesh = mesh
            square = _eye_square(mesh, right=right)
            if glance is not None:
                square = steady(glance.square, square)
            if glance is None or glance.shape != image.shape or square is not glance.square:
                memory.glance = glance = self._reader.glance(square, image)
        now = blocks(glance.take(image))
        if memory.blocks is None or _is_due(now, memory.blocks, still_levels, skipped=memory.skipped):
            return now
        memory.skip()
        return None


def _is_due(now: Image, asked: Image, still_levels: float, *, skipped: bool) -> bool:
    """Small changes are noise; from larger ones on every second frame is asked, and every frame when large."""
    limit = still_levels * (1.0 if skipped else _ALTERNATE)
    return limit <= 0 or changed(now, asked, limit, limit * _BLOCK_LEVELS_PER_LEVEL)


def _same(before: Eye, now: Eye | None) -> bool:
    """The same as far as blinks and gaze go."""
    return now is not None and (
        abs(now.aspect_ratio - before.aspect_ratio) < _SAME_OPENING * before.aspect_ratio
        and abs(now.offset_x - before.offset_x) < _SAME_OFFSET
        and abs(now.offset_y - before.offset_y) < _SAME_OFFSET
    )


def _eye_square(mesh: Mesh, *, right: bool) -> Square:
    outer, inner = RIGHT_EYE_CORNERS if right else LEFT_EYE_CORNERS
    return eye_square(mesh.points[outer], mesh.points[inner], right=right)

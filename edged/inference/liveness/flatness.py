"""A flat picture moves as a plane: whether a face does, from points of the picture itself that are followed.

The landmarks of the mesh cannot tell: the network lays a whole head on whatever it is shown, and the head that it lays
on a tilted photo turns with it (measured; see docs/liveness.md). So corners within the face are followed by optical
flow (Lucas and Kanade 1981, in pyramids; forth and back, to drop those that slid). When the face has turned so far
that moving, turning and scaling do not explain where they went, it is asked how much of the rest a homography does: all of
it for a print or a still on a screen, and little for a head, whose nose comes nearer than its ears.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.inference.crops import Cutter, Image, Square
from edged.inference.face_mesh import Mesh

# The outline of a face among the mesh's points, all the way round.
_OUTLINE = np.array(
    [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
     152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
)  # fmt: skip
_SIZE = 160
_MARGIN = 1.25  # the cut's side over the face's longer one
_INSIDE = 0.9  # corners near the outline may belong to what is behind the head
_MOST_CORNERS, _FEWEST_CORNERS, _FEWEST_LEFT = 50, 24, 16
_CORNER_QUALITY, _CORNER_DISTANCE = 0.02, 6
_SLID_PIXELS = 0.5
_LONGEST_SECONDS = 3.0  # after that the light and the expression have changed as well
_STEP_SECONDS = 0.12  # how often corners are followed: more often costs more and tells nothing
_REST_SECONDS = 1.5  # after a turn has told something: it is said for longer than that
_GAP_SECONDS = 0.6  # what was not looked at for so long has moved too far to be followed
_TURNED = 0.04  # of the corners' spread: what a likeness must leave unexplained before anything can be told
# What a homography leaves, over what a likeness leaves. Measured: prints tilted up to 35° and heads; docs/liveness.md.
_RATIO_FLAT, _RATIO_SOLID = 0.2, 0.42
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.02)


class Turn(NamedTuple):
    """A turn of a face that was followed: ratio of what is left by a homography and by a likeness, and corners used."""

    ratio: float
    corners: int

    @property
    def flatness(self) -> float:
        """0: no plane moves like this, 1: a plane does."""
        return max(0.0, min(1.0, (_RATIO_SOLID - self.ratio) / (_RATIO_SOLID - _RATIO_FLAT)))


@dataclass
class _Followed:
    began: NDArray[np.float32]
    now: NDArray[np.float32]
    grey: Image
    began_at: float
    seen_at: float


class FlatnessWatch:
    """Follows one face. Corners are kept in pixels of a cut that goes with the face, so that they move little."""

    def __init__(self) -> None:
        self._cutter = Cutter(_SIZE)
        self._followed: _Followed | None = None
        self._mesh: Mesh | None = None
        self._looked_at, self._wait_seconds = -1e9, 0.0

    def look(self, image: Image, mesh: Mesh, at_seconds: float) -> Turn | None:
        """Go on following in this BGR frame; what a turn that has just been completed told, or None."""
        # The very same mesh as before: the finder saw that nothing moved.
        if mesh is self._mesh or 0 <= at_seconds - self._looked_at < self._wait_seconds:
            return None
        self._mesh = mesh
        self._looked_at, self._wait_seconds = at_seconds, _STEP_SECONDS
        box = mesh.box()
        side = _MARGIN * max(box.width, box.height)
        square = Square(box.x + box.width / 2, box.y + box.height / 2, side, 0.0)
        grey: Image = cv2.cvtColor(self._cutter.cut(image, square), cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        followed = self._followed
        if followed is not None:
            if 0 <= at_seconds - followed.seen_at < _GAP_SECONDS and _follow(followed, grey, at_seconds):
                turn = _turn(followed.began.reshape(-1, 2), followed.now.reshape(-1, 2))
                if turn is not None:
                    self._followed, self._wait_seconds = None, _REST_SECONDS
                    return turn
                if at_seconds - followed.began_at > _LONGEST_SECONDS:
                    self._followed = None
            else:
                self._followed = None
        if self._followed is None:
            self._followed = _begin(grey, mesh, square, at_seconds)
        return None


def _begin(grey: Image, mesh: Mesh, square: Square, at: float) -> _Followed | None:
    corner = np.array([square.x - square.side / 2, square.y - square.side / 2], np.float32)
    outline = (mesh.points[_OUTLINE, :2] - corner) * np.float32(_SIZE / square.side)
    middle = outline.mean(axis=0)
    mask = np.zeros((_SIZE, _SIZE), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(((outline - middle) * _INSIDE + middle).astype(np.int32)), 255)
    # OpenCV's types say nothing of the None that comes where there is no corner.
    corners: Any = cv2.goodFeaturesToTrack(grey, _MOST_CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE, mask=mask)
    if corners is None or len(corners) < _FEWEST_CORNERS:
        return None
    began = corners.reshape(-1, 1, 2).astype(np.float32)
    return _Followed(began, began.copy(), grey, at, at)


def _follow(followed: _Followed, grey: Image, at: float) -> bool:
    """Find the corners again; False: too few are left."""

    def flow(before: Image, now: Image, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            before, now, points, np.empty_like(points), winSize=(13, 13), maxLevel=2, criteria=_STEPS
        )
        return found, status  # type: ignore[return-value]

    found, there = flow(followed.grey, grey, followed.now)
    back, again = flow(grey, followed.grey, found)
    slid = np.abs(back - followed.now).reshape(-1, 2).max(axis=1)
    kept = (there.ravel() == 1) & (again.ravel() == 1) & (slid < _SLID_PIXELS)
    followed.began, followed.now = followed.began[kept], found[kept]
    followed.grey, followed.seen_at = grey, at
    return int(kept.sum()) >= _FEWEST_LEFT


def _turn(began: NDArray[np.float32], now: NDArray[np.float32]) -> Turn | None:
    """What the way from `began` to `now` (n x 2 each) tells; None: moving, turning and scaling explain it."""
    before = began.astype(np.float64) - began.mean(axis=0)
    after = now.astype(np.float64) - now.mean(axis=0)
    spread = float(np.sqrt((after**2).sum(axis=1).mean()))
    if spread < 1:
        return None
    # Likeness by least squares, as complex numbers: one factor turns and scales.
    source, target = before[:, 0] + 1j * before[:, 1], after[:, 0] + 1j * after[:, 1]
    factor = np.vdot(source, target) / np.vdot(source, source).real
    unexplained = float(np.sqrt((np.abs(target - factor * source) ** 2).mean())) / spread
    if unexplained < _TURNED:
        return None
    plane: Any = cv2.findHomography(before, after, 0)[0]
    if plane is None:
        return None
    projected = cv2.perspectiveTransform(before[None], plane)[0]
    # The upper quartile: a finger at the edge of a print, or a corner that slid, is not asked.
    left = float(np.percentile(np.linalg.norm(projected - after, axis=1), 75)) / spread
    return Turn(left / unexplained, len(now))

"""The parts the sitter is made of, each drawn once: backdrop, body, skull, features, and eyes on demand.

Coordinates are units of the face: it is 180 units across, the origin is between nose and eyes, x grows to the
viewer's right, y down. Shapes are drawn three times too large and shrunk, which smooths their edges; shadows
are blurred shapes. Colours are BGR. Pictures with opacity are premultiplied BGRA.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edged.capture.source import Image

    Points = Sequence[tuple[float, float]]
    Colour = tuple[int, int, int]
    Field = NDArray[np.float32]

FACE_WIDTH = 180.0
BODY_TOP = 60.0  # of the body's picture below the face's centre, units
BODY_CENTRE_X = 220.0
_BODY_SIZE = (440, 420)
_HEAD_SIZE = (256, 324)
_HEAD_CENTRE = (128.0, 180.0)
_LARGER = 3
_SHIFT = 4  # fraction bits of OpenCV's drawing coordinates

EYE_X, EYE_Y = 36.0, -16.0
_EYE_SIZE = (66, 54)
_EYE_HALF = 22.0
_IRIS_RADIUS = 10.2

SKIN: Colour = (148, 182, 226)
_SKIN_DARK: Colour = (112, 146, 196)
_LID: Colour = (132, 166, 212)
_HAIR: Colour = (34, 46, 66)
_HAIR_LIGHT: Colour = (52, 72, 100)
_LINE: Colour = (46, 58, 82)
_LASH: Colour = (24, 26, 34)
_WHITE: Colour = (236, 240, 242)
_IRIS: Colour = (96, 112, 62)
_LIPS: Colour = (112, 116, 190)
_SWEATER: Colour = (122, 98, 52)


class _Canvas:
    """Shapes at three times the size, then shrunk to premultiplied BGRA."""

    def __init__(self, width: float, height: float, centre: tuple[float, float], detail: float) -> None:
        self.width, self.height = round(width * detail), round(height * detail)
        self._centre, self._detail = centre, detail
        self._scale = detail * _LARGER
        shape = (self.height * _LARGER, self.width * _LARGER)
        self._colour = np.zeros((*shape, 3), np.uint8)
        self._opaque = np.zeros(shape, np.uint8)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        moved = (np.asarray(points, np.float64) + self._centre) * self._scale
        return np.round(moved * (1 << _SHIFT)).astype(np.int32)

    def polygon(self, points: Points, colour: Colour) -> None:
        fixed = [self._fixed(points)]
        cv2.fillPoly(self._colour, fixed, colour, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self._opaque, fixed, 255, cv2.LINE_8, _SHIFT)  # type: ignore[call-overload]

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour, angle: float = 0.0) -> None:
        self.polygon(_ellipse(x, y, across, down, angle), colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        fixed = [self._fixed(points)]
        thickness = max(1, round(width * self._scale))
        cv2.polylines(self._colour, fixed, False, colour, thickness, cv2.LINE_8, _SHIFT)
        cv2.polylines(self._opaque, fixed, False, 255, thickness, cv2.LINE_8, _SHIFT)  # type: ignore[call-overload]

    def within(self, points: Points) -> _Canvas:
        """A canvas of the same size on which to draw what only shows inside an outline; see `paste`."""
        inner = _Canvas.__new__(_Canvas)
        inner.width, inner.height = self.width, self.height
        inner._centre, inner._detail, inner._scale = self._centre, self._detail, self._scale
        inner._colour = self._colour.copy()
        inner._opaque = np.zeros_like(self._opaque)
        cv2.fillPoly(inner._opaque, [self._fixed(points)], 255, cv2.LINE_8, _SHIFT)  # type: ignore[call-overload]
        return inner

    def paste(self, inner: _Canvas, outline: Points) -> None:
        mask = np.zeros_like(self._opaque)
        cv2.fillPoly(mask, [self._fixed(outline)], 255, cv2.LINE_8, _SHIFT)  # type: ignore[call-overload]
        cv2.copyTo(inner._colour, mask, self._colour)
        np.maximum(self._opaque, mask, out=self._opaque)

    def shade(self, points: Points, strength: float, blur: float) -> None:
        """Darken (strength > 0) or lighten softly; works on what is drawn so far."""
        small = np.zeros((self.height, self.width), np.float32)
        fixed = (np.asarray(points, np.float64) + self._centre) * self._detail * (1 << _SHIFT)
        cv2.fillPoly(small, [np.round(fixed).astype(np.int32)], 1.0, cv2.LINE_8, _SHIFT)  # type: ignore[call-overload]
        soft = cv2.GaussianBlur(small, (0, 0), max(0.3, blur * self._detail))
        large = cv2.resize(soft, self._opaque.shape[::-1], interpolation=cv2.INTER_LINEAR)
        factor = (1 - strength * large)[..., None]
        self._colour = np.clip(self._colour * factor, 0, 255).astype(np.uint8)

    def picture(self) -> Image:
        opaque = self._opaque[..., None]
        premultiplied = np.where(opaque > 0, self._colour, 0).astype(np.uint8)
        whole = np.dstack((premultiplied, self._opaque))
        return cv2.resize(whole, (self.width, self.height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


class Layer(NamedTuple):
    """A part that slides over the skull. depth: how far, 1 as the eyes do. corner: top left, pixels."""

    picture: Image
    corner: tuple[int, int]
    depth: float


class Portrait:
    """The head at one level of detail (pixels per unit)."""

    def __init__(self, detail: float) -> None:
        self.detail = detail
        self.centre = (_HEAD_CENTRE[0] * detail, _HEAD_CENTRE[1] * detail)
        self.skull = _skull(detail)
        self.layers = tuple(
            _cut(_layer(draw, detail), depth) for draw, depth in ((_draw_features, 1.0), (_draw_nose, 1.25))
        )
        self.fringe = _cut(_layer(_draw_fringe, detail), 0.45)
        self.layers += (self.fringe,)

    def eye_corner(self, side: int) -> tuple[int, int]:
        """Top left of an eye's patch in the head's picture. side: 1 the viewer's right, -1 left."""
        x = _HEAD_CENTRE[0] + side * EYE_X - _EYE_SIZE[0] / 2
        y = _HEAD_CENTRE[1] + EYE_Y - _EYE_SIZE[1] / 2
        return round(x * self.detail), round(y * self.detail)

    def eye(self, side: int, lid: float, iris_x: float, iris_y: float) -> Image:
        """One eye: lid 0 shut .. 1 open (a little more when looking up), iris offset in units."""
        canvas = _Canvas(*_EYE_SIZE, (_EYE_SIZE[0] / 2, _EYE_SIZE[1] / 2), self.detail)
        upper, lower = _lids(lid, side)
        widest, _ = _lids(1.1, side)
        opening = [*upper, *reversed(lower)]
        fold = [(x, y - 4.5) for x, y in widest[2:-2]]
        canvas.polygon([*widest, *reversed(lower)], _LID)
        canvas.line(fold, _SKIN_DARK, 1.6)
        if lid > 0.04:
            ball = canvas.within(opening)
            ball.polygon(opening, _WHITE)
            x, y = iris_x, iris_y - 1.0
            ball.ellipse(x, y, _IRIS_RADIUS, _IRIS_RADIUS, tuple(round(c * 0.55) for c in _IRIS))  # type: ignore[arg-type]
            ball.ellipse(x, y, _IRIS_RADIUS - 1.5, _IRIS_RADIUS - 1.5, _IRIS)
            ball.ellipse(x, y + 1.5, _IRIS_RADIUS - 4, _IRIS_RADIUS - 4.5, tuple(min(255, round(c * 1.3)) for c in _IRIS))  # type: ignore[arg-type]
            ball.ellipse(x, y, 4.6, 4.6, (14, 14, 16))
            ball.ellipse(x - 3.2, y - 3.4, 2.2, 2.2, (250, 250, 250))
            # The upper lid throws a shadow on the eyeball, the corners lie deeper.
            ball.line([(px, py + 1.5) for px, py in upper], (176, 184, 192), 2.0) if lid > 0.5 else None
            canvas.paste(ball, opening)
        canvas.line(lower, (104, 128, 168), 1.1)
        canvas.line(upper, _LASH, 2.7)
        outer = upper[-1] if side > 0 else upper[0]
        canvas.line([outer, (outer[0] + side * 3.5, outer[1] - 1.5)], _LASH, 1.8)
        return canvas.picture()


def _lids(lid: float, side: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Upper and lower rim of an eye, from the viewer's left to right, around the eye's centre."""
    del side
    upper_height = -4.2 + lid * 15.0  # above the corners; shut, it lies on the lower rim
    lower_height = 4.4 + min(lid, 1.0) * 2.6
    upper, lower = [], []
    for step in range(25):
        x = (step / 12 - 1) * _EYE_HALF
        bow = math.sqrt(max(0.0, 1 - (x / _EYE_HALF) ** 2))
        upper.append((x, -upper_height * bow**1.1))
        lower.append((x, lower_height * bow**1.3))
    return upper, lower


def _ellipse(x: float, y: float, across: float, down: float, angle: float = 0.0) -> list[tuple[float, float]]:
    turn = math.radians(angle)
    points = []
    for step in range(48):
        at = step * math.pi / 24
        u, v = across * math.cos(at), down * math.sin(at)
        points.append((x + u * math.cos(turn) - v * math.sin(turn), y + u * math.sin(turn) + v * math.cos(turn)))
    return points


def _face_outline(grow: float = 0.0) -> list[tuple[float, float]]:
    """Wide at the temples, narrowing along the jaw to the chin."""
    points = []
    for step in range(72):
        at = step * math.pi / 36
        down = math.sin(at)
        x = (90 + grow) * math.cos(at)
        if down > 0:
            x *= 1 - 0.10 * down - 0.10 * down**4
        points.append((x, (118 + grow) * down + (4 if down > 0 else 0)))
    return points


def _skull(detail: float) -> Image:
    canvas = _Canvas(*_HEAD_SIZE, _HEAD_CENTRE, detail)
    canvas.ellipse(0, -40, 106, 128, _HAIR)
    canvas.polygon([(-104, -40), (-104, 40), (-92, 62), (-78, 20), (78, 20), (92, 62), (104, 40), (104, -40)], _HAIR)
    for side in (-1, 1):
        canvas.ellipse(side * 91, 2, 12, 24, _SKIN_DARK, side * -8)
        canvas.ellipse(side * 92, 0, 9, 19, SKIN, side * -8)
    canvas.polygon(_face_outline(), SKIN)
    canvas.shade(_ellipse(74, 20, 40, 120), 0.22, 20)
    canvas.shade(_ellipse(-92, 30, 26, 110), 0.14, 16)
    canvas.shade(_ellipse(0, 122, 60, 16), 0.22, 9)
    canvas.shade(_ellipse(0, -112, 90, 30), 0.25, 12)
    canvas.shade(_ellipse(-18, -50, 40, 20), -0.06, 14)
    for side in (-1, 1):
        canvas.shade(_ellipse(side * 48, 32, 22, 14), -0.05, 9)
    return canvas.picture()


def _draw_features(canvas: _Canvas) -> None:
    canvas.polygon(_face_outline(-24), SKIN)
    for side in (-1, 1):
        canvas.shade(_ellipse(side * EYE_X, EYE_Y - 2, 28, 19), 0.20, 6)
        canvas.shade(_ellipse(side * EYE_X, EYE_Y + 17, 20, 5), 0.07, 4)
        canvas.shade(_ellipse(side * 50, 34, 17, 12), -0.05, 8)
    canvas.shade(_ellipse(0, 50, 20, 7), 0.16, 6)
    canvas.shade(_ellipse(0, 84, 24, 5), 0.20, 4)
    canvas.shade(_ellipse(13, 16, 9, 34), 0.16, 8)
    for side in (-1, 1):
        brow = [(-23, -1), (-12, -8), (2, -9.5), (14, -7), (24, 0), (13, -2.5), (0, -3.5), (-14, -1.5), (-23, 5)]
        canvas.polygon([(side * -x + side * EYE_X, EYE_Y - 21 + y) for x, y in brow], _HAIR)
    _draw_mouth(canvas)


def _draw_mouth(canvas: _Canvas) -> None:
    upper = [(-29, 67), (-17, 62), (-6, 60), (0, 62), (6, 60), (17, 62), (29, 67), (14, 68.5), (0, 69.5), (-14, 68.5)]
    lower = [(-29, 67), (-14, 68.5), (0, 69.5), (14, 68.5), (29, 67), (18, 76), (0, 79.5), (-18, 76)]
    canvas.polygon(upper, tuple(round(c * 0.88) for c in _LIPS))  # type: ignore[arg-type]
    canvas.polygon(lower, _LIPS)
    canvas.line([(-31, 65.5), (-27, 67), (-14, 68.6), (0, 69.6), (14, 68.6), (27, 67), (31, 65.5)], (56, 58, 108), 1.5)
    canvas.shade(_ellipse(0, 75, 10, 2), -0.12, 2)


def _draw_nose(canvas: _Canvas) -> None:
    canvas.polygon(_ellipse(0, 40, 15, 10), SKIN)
    canvas.shade(_ellipse(-2, 36, 5, 5), -0.10, 4)
    canvas.shade(_ellipse(0, 48, 14, 3), 0.16, 3)
    for side in (-1, 1):
        canvas.ellipse(side * 8, 44.5, 4.4, 2.6, (70, 92, 132), side * 12)
        canvas.line([(side * 13, 36), (side * 15.5, 41), (side * 13.5, 46)], (98, 130, 176), 1.4)


def _draw_fringe(canvas: _Canvas) -> None:
    canvas.polygon(
        [(-101, -20), (-106, -60), (-92, -118), (-50, -160), (0, -170), (52, -160), (92, -118), (106, -60),
         (101, -20), (92, -34), (86, -62), (66, -86), (36, -98), (20, -84), (-24, -76), (-58, -72), (-80, -58),
         (-90, -36)],
        _HAIR,
    )  # fmt: skip
    for index in range(22):
        share = index / 21
        x = -92 + 184 * share
        root = (18 + (x - 18) * 0.35, -166 + 10 * abs(share - 0.55))
        middle = (18 + (x - 18) * 0.85, -132 + 26 * abs(share - 0.55))
        end = (x, -88 + 50 * abs(share - 0.55) ** 1.5)
        canvas.line([root, middle, end], _HAIR_LIGHT if index % 2 else (26, 36, 54), 1.1)
    canvas.shade(_ellipse(-34, -132, 46, 12, -18), -0.45, 9)


def _layer(draw: object, detail: float) -> Image:
    canvas = _Canvas(*_HEAD_SIZE, _HEAD_CENTRE, detail)
    draw(canvas)  # type: ignore[operator]
    picture = canvas.picture()
    if draw is _draw_features:
        # The patch of skin under the features fades into the skull's own shading.
        inner = np.zeros(picture.shape[:2], np.float32)
        outline = (np.asarray(_face_outline(-38)) + _HEAD_CENTRE) * detail
        cv2.fillPoly(inner, [np.round(outline).astype(np.int32)], 1.0)  # type: ignore[call-overload]
        fade = cv2.GaussianBlur(inner, (0, 0), 7 * detail)[..., None]
        picture = (picture * fade).round().astype(np.uint8)
    return picture


def _cut(picture: Image, depth: float) -> Layer:
    """Only the part that is not empty."""
    x, y, width, height = cv2.boundingRect(picture[..., 3])
    return Layer(np.ascontiguousarray(picture[y : y + height, x : x + width]), (x, y), depth)


def put(picture: Image, part: Image, left: int, top: int) -> None:
    """Lay a premultiplied BGRA part over a premultiplied BGRA picture, clipped to it, in place."""
    height, width = part.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(picture.shape[1], left + width), min(picture.shape[0], top + height)
    if x1 <= x0 or y1 <= y0:
        return
    region = picture[y0:y1, x0:x1]
    over = part[y0 - top : y1 - top, x0 - left : x1 - left]
    through = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(over, 3)), cv2.COLOR_GRAY2BGRA)
    # GRAY2BGRA makes the fourth channel opaque; the picture's own opacity must sink like its colours.
    cv2.mixChannels([through], [through], [0, 3])
    cv2.multiply(region, through, region, 1 / 255)
    cv2.add(region, over, region)


def body(scale: float) -> tuple[Image, Image]:
    """Neck and shoulders at `scale` pixels per unit: premultiplied BGR and its opacity in three channels."""
    canvas = _Canvas(*_BODY_SIZE, (BODY_CENTRE_X, -BODY_TOP), scale)
    canvas.polygon(
        [(-196, 500), (-200, 300), (-186, 226), (-150, 190), (-60, 166), (60, 166), (150, 190), (186, 226), (200, 300),
         (196, 500)],
        _SWEATER,
    )  # fmt: skip
    canvas.polygon([(-46, 80), (-44, 150), (-62, 172), (0, 196), (62, 172), (44, 150), (46, 80)], SKIN)
    canvas.shade(_ellipse(0, 118, 52, 26), 0.34, 12)
    canvas.line([(-64, 167), (-40, 186), (0, 198), (40, 186), (64, 167)], (92, 72, 36), 9)
    canvas.shade(_ellipse(130, 330, 60, 170), 0.28, 30)
    canvas.shade(_ellipse(-70, 250, 40, 60, 20), -0.10, 24)
    picture = canvas.picture()
    opaque = cv2.cvtColor(np.ascontiguousarray(picture[..., 3]), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(picture[..., :3]), opaque  # type: ignore[return-value]


def backdrop(width: int, height: int) -> Image:
    """A quiet room: wall, window light, a picture, a plant, all out of focus."""
    units = 240.0 / height
    canvas = _Canvas(width * units, 240.0, (0.0, 0.0), 1 / units)
    wide = width * units
    canvas.polygon([(0, 0), (wide, 0), (wide, 240), (0, 240)], (186, 192, 190))
    canvas.shade(_ellipse(wide * 0.95, 210, wide * 0.5, 120), 0.22, 60)
    canvas.shade(_ellipse(wide * 0.12, 50, wide * 0.25, 90), -0.16, 50)
    canvas.polygon([(0, 196), (wide, 190), (wide, 240), (0, 240)], (124, 146, 168))
    canvas.polygon([(wide * 0.80, 34), (wide * 0.95, 34), (wide * 0.95, 88), (wide * 0.80, 88)], (92, 104, 118))
    canvas.polygon([(wide * 0.81, 37), (wide * 0.94, 37), (wide * 0.94, 85), (wide * 0.81, 85)], (206, 190, 160))
    canvas.polygon([(wide * 0.81, 70), (wide * 0.86, 56), (wide * 0.90, 66), (wide * 0.94, 60), (wide * 0.94, 85),
                    (wide * 0.81, 85)], (128, 148, 110))  # fmt: skip
    for lean in (-38, -16, 8, 28, 50):
        tip = (wide * 0.09 + lean * 0.9, 118 - 22 * math.cos(math.radians(lean * 1.6)))
        canvas.polygon([(wide * 0.09 - 3, 176), ((wide * 0.09 + tip[0]) / 2 - 8, 140), tip,
                        ((wide * 0.09 + tip[0]) / 2 + 8, 146), (wide * 0.09 + 3, 176)], (84, 128, 88))  # fmt: skip
    canvas.polygon([(wide * 0.05, 172), (wide * 0.13, 172), (wide * 0.12, 204), (wide * 0.06, 204)], (72, 104, 156))
    picture = canvas.picture()[..., :3]
    return cv2.GaussianBlur(np.ascontiguousarray(picture), (0, 0), max(0.8, 2.2 / units))[:height, :width].copy()

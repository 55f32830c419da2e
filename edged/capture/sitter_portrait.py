"""The parts the sitter is made of, each drawn once: backdrop, body, skull, features, and eyes on demand.

Coordinates are units of the face: it is 180 units across, the origin is between nose and eyes, x grows to the
viewer's right, y down. Shapes are drawn two or three times too large and shrunk, which smooths their edges; shadows
are blurred shapes. Colours are BGR. Pictures with opacity are premultiplied BGRA.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray

    from edged.capture.source import Image

    Points: TypeAlias = Sequence[tuple[float, float]] | NDArray[np.float64]
    Colour = tuple[int, int, int]
    Field = NDArray[np.float32]

FACE_WIDTH = 180.0
BODY_TOP = 60.0  # of the body's picture below the face's centre, units
BODY_CENTRE_X = 220.0
_BODY_SIZE = (440, 420)
_HEAD_SIZE = (256, 324)
_HEAD_CENTRE = (128.0, 180.0)
_SHIFT = 4  # fraction bits of OpenCV's drawing coordinates

EYE_X, EYE_Y = 36.0, -16.0
_EYE_SIZE = (66, 54)
_EYE_HALF = 22.0
_IRIS_RADIUS = 9.0

SKIN: Colour = (148, 182, 226)
_SKIN_DARK: Colour = (112, 146, 196)
_LID: Colour = (132, 166, 212)
_HAIR: Colour = (34, 46, 66)
_HAIR_LIGHT: Colour = (52, 72, 100)
_LINE: Colour = (46, 58, 82)
_LASH: Colour = (24, 26, 34)
_WHITE: Colour = (236, 240, 242)
_IRIS: Colour = (96, 112, 62)
_IRIS_RIM: Colour = (53, 62, 34)
_IRIS_LIGHT: Colour = (125, 146, 81)
_LIPS: Colour = (112, 116, 190)
_UPPER_LIP: Colour = (99, 102, 167)
_SWEATER: Colour = (122, 98, 52)


class _Canvas:
    """Shapes drawn too large, then shrunk to premultiplied BGRA."""

    def __init__(
        self, width: float, height: float, centre: tuple[float, float], detail: float, larger: int = 2
    ) -> None:
        self.width, self.height = round(width * detail), round(height * detail)
        self._centre, self._detail, self._larger = centre, detail, larger
        self._scale = detail * larger
        shape = (self.height * larger, self.width * larger)
        self._colour = np.zeros((*shape, 3), np.uint8)
        self._opaque = np.zeros(shape, np.uint8)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        moved = (np.asarray(points, np.float64) + self._centre) * self._scale
        return np.round(moved * (1 << _SHIFT)).astype(np.int32)

    def polygon(self, points: Points, colour: Colour) -> None:
        fixed = [self._fixed(points)]
        cv2.fillPoly(self._colour, fixed, colour, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self._opaque, fixed, 255, cv2.LINE_8, _SHIFT)

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour, angle: float = 0.0) -> None:
        self.polygon(_ellipse(x, y, across, down, angle), colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        fixed = [self._fixed(points)]
        thickness = max(1, round(width * self._scale))
        cv2.polylines(self._colour, fixed, False, colour, thickness, cv2.LINE_8, _SHIFT)
        cv2.polylines(self._opaque, fixed, False, 255, thickness, cv2.LINE_8, _SHIFT)

    def within(self, points: Points) -> _Canvas:
        """A canvas of the same size on which to draw what only shows inside an outline; see `paste`."""
        inner = _Canvas.__new__(_Canvas)
        inner.width, inner.height = self.width, self.height
        inner._centre, inner._detail, inner._scale = self._centre, self._detail, self._scale
        inner._larger = self._larger
        inner._colour = self._colour.copy()
        inner._opaque = np.zeros_like(self._opaque)
        cv2.fillPoly(inner._opaque, [self._fixed(points)], 255, cv2.LINE_8, _SHIFT)
        return inner

    def paste(self, inner: _Canvas, outline: Points) -> None:
        mask = np.zeros_like(self._opaque)
        cv2.fillPoly(mask, [self._fixed(outline)], 255, cv2.LINE_8, _SHIFT)
        cv2.copyTo(inner._colour, mask, self._colour)
        np.maximum(self._opaque, mask, out=self._opaque)

    def shade(self, points: Points, strength: float, blur: float) -> None:
        """Darken (strength > 0) or lighten softly; works on what is drawn so far."""
        fixed = (np.asarray(points, np.float64) + self._centre) * self._detail
        reach = 3 * blur * self._detail + 1
        left, top = (int(v) for v in np.maximum(np.floor(fixed.min(0) - reach), 0))
        right, bottom = (int(v) for v in np.minimum(np.ceil(fixed.max(0) + reach), (self.width, self.height)))
        if right <= left or bottom <= top:
            return
        # A wide blur has no fine detail to lose: it is made on a smaller picture.
        wide, tall = right - left, bottom - top
        sigma = max(0.3, blur * self._detail)
        less = max(1.0, sigma / 4)
        small = np.zeros((math.ceil(tall / less), math.ceil(wide / less)), np.float32)
        inside = np.round((fixed - (left, top)) / less * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(small, [inside], strength, cv2.LINE_8, _SHIFT)
        soft = 1 - cv2.GaussianBlur(small, (0, 0), sigma / less)
        larger = self._larger
        soft = cv2.resize(soft, (wide * larger, tall * larger), interpolation=cv2.INTER_LINEAR)
        factor = cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR)
        part = self._colour[top * larger : bottom * larger, left * larger : right * larger]
        cv2.multiply(part, factor, part, dtype=cv2.CV_8U)

    def picture(self) -> Image:
        whole = cv2.merge((*cv2.split(cv2.copyTo(self._colour, self._opaque)), self._opaque))
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
        canvas = _Canvas(*_EYE_SIZE, (_EYE_SIZE[0] / 2, _EYE_SIZE[1] / 2), self.detail, larger=3)
        upper, lower = _lids(lid, iris_y)
        widest, _ = _lids(1.1, 0.0)
        opening = np.concatenate((upper, lower[::-1]))
        fold = widest[2:-2] - np.array((0.0, 4.5))
        canvas.polygon(np.concatenate((widest, lower[::-1])), _LID)
        canvas.line(fold, _SKIN_DARK, 1.6)
        if lid > 0.04:
            ball = canvas.within(opening)
            ball.polygon(opening, _WHITE)
            x, y = iris_x, iris_y - 1.0
            ball.ellipse(x, y, _IRIS_RADIUS, _IRIS_RADIUS, _IRIS_RIM)
            ball.ellipse(x, y, _IRIS_RADIUS - 1.5, _IRIS_RADIUS - 1.5, _IRIS)
            ball.ellipse(x, y + 1.5, _IRIS_RADIUS - 4, _IRIS_RADIUS - 4.5, _IRIS_LIGHT)
            ball.ellipse(x, y, 4.0, 4.0, (14, 14, 16))
            ball.ellipse(x - 2.8, y - 3.0, 1.9, 1.9, (250, 250, 250))
            # The upper lid throws a shadow on the eyeball.
            if lid > 0.5:
                ball.line(upper + np.array((0.0, 1.5)), (176, 184, 192), 2.0)
            canvas.paste(ball, opening)
        canvas.line(lower, (104, 128, 168), 1.1)
        canvas.line(upper, _LASH, 2.7)
        outer = upper[-1] if side > 0 else upper[0]
        canvas.line([outer, (outer[0] + side * 3.5, outer[1] - 1.5)], _LASH, 1.8)
        return canvas.picture()


_ACROSS = np.linspace(-_EYE_HALF, _EYE_HALF, 25)
_BOW = np.sqrt(np.clip(1 - (_ACROSS / _EYE_HALF) ** 2, 0, None))


def _lids(lid: float, iris_y: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Upper and lower rim of an eye, from the viewer's left to right, around the eye's centre.

    Both rims follow the iris up and down a little, as lids do; the upper one's sinking is in `lid` already.
    """
    open_share = min(lid, 1.0)
    upper_height = -5.0 + lid * 17.0 + open_share * max(0.0, -iris_y) * 0.25
    lower_height = 5.2 + open_share * (2.8 + 0.50 * iris_y)
    upper = np.column_stack((_ACROSS, -upper_height * _BOW**1.1))
    lower = np.column_stack((_ACROSS, lower_height * _BOW**1.3))
    return upper, lower


def _rounded(points: Points, times: int = 3) -> Points:
    """A closed outline with its corners cut off again and again (Chaikin 1974)."""
    outline = [(float(x), float(y)) for x, y in points]
    for _ in range(times):
        cut = []
        for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
            cut += [(0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1), (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1)]
        outline = cut
    return outline


_CIRCLE = np.exp(1j * np.arange(48) * math.pi / 24)


def _ellipse(x: float, y: float, across: float, down: float, angle: float = 0.0) -> Points:
    points = (across * _CIRCLE.real + 1j * down * _CIRCLE.imag) * np.exp(1j * math.radians(angle))
    return np.column_stack((points.real + x, points.imag + y))


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
    canvas.ellipse(0, -42, 106, 126, _HAIR)
    for side in (-1, 1):
        canvas.polygon(_rounded([(side * 70, -60), (side * 107, -50), (side * 106, 30), (side * 97, 54), (side * 84, 24)]),
                       _HAIR)  # fmt: skip
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
    canvas.polygon(upper, _UPPER_LIP)
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


_FRINGE: Points = _rounded([
    (-99, -6), (-110, -50), (-104, -104), (-72, -156), (-10, -178), (60, -166), (102, -112), (110, -50), (99, -4),
    (90, -20), (88, -54), (72, -84), (40, -104), (22, -92), (0, -76), (-40, -70), (-70, -64), (-84, -44), (-89, -18),
])  # fmt: skip


def _draw_fringe(canvas: _Canvas) -> None:
    canvas.polygon(_FRINGE, _HAIR)
    strands = canvas.within(_FRINGE)
    for index in range(60):
        share = index / 59
        # From the parting over the sitter's left eye the hair falls to both sides.
        x = -112 + 224 * share
        away = abs(x - 26) / 138
        root = (26 + (x - 26) * 0.10, -172 + 4 * away)
        over = (26 + (x - 26) * 0.70, -160 + 34 * away**1.6)
        down = (26 + (x - 26) * 0.98, -120 + 60 * away)
        end = (x, -70 + 70 * away)
        tone = (_HAIR_LIGHT, (26, 36, 54), (42, 58, 82))[index * 7 % 3]
        strands.line(_curve(root, over, down, end), tone, 0.9 + index * 5 % 4 * 0.3)
    strands.shade(_ellipse(-42, -128, 52, 11, -24), -0.40, 8)
    strands.shade(_ellipse(74, -122, 26, 9, 40), -0.22, 7)
    canvas.paste(strands, _FRINGE)


def _curve(*controls: tuple[float, float]) -> list[tuple[float, float]]:
    """A cubic Bezier curve."""
    a, b, c, d = (np.asarray(control, np.float64) for control in controls)
    share = np.linspace(0, 1, 14)[:, None]
    rest = 1 - share
    points = rest**3 * a + 3 * rest**2 * share * b + 3 * rest * share**2 * c + share**3 * d
    return [(float(x), float(y)) for x, y in points]


def _layer(draw: Callable[[_Canvas], None], detail: float) -> Image:
    canvas = _Canvas(*_HEAD_SIZE, _HEAD_CENTRE, detail)
    draw(canvas)
    picture = canvas.picture()
    if draw is _draw_features:
        # The patch of skin under the features fades into the skull's own shading.
        inner = np.zeros(picture.shape[:2], np.float32)
        outline = (np.asarray(_face_outline(-38)) + _HEAD_CENTRE) * detail
        cv2.fillPoly(inner, [np.round(outline).astype(np.int32)], 1.0)
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


class Body:
    """Neck and shoulders, drawn once."""

    def __init__(self, detail: float = 1.2) -> None:
        self._detail = detail
        canvas = _Canvas(*_BODY_SIZE, (BODY_CENTRE_X, -BODY_TOP), detail)
        shoulders = [(-260, 600), (-214, 300), (-190, 222), (-140, 192), (-62, 164), (62, 164), (140, 192), (190, 222),
                     (214, 300), (260, 600)]  # fmt: skip
        canvas.polygon(_rounded(shoulders), _SWEATER)
        canvas.polygon([(-46, 80), (-44, 146), (-60, 170), (0, 196), (60, 170), (44, 146), (46, 80)], SKIN)
        canvas.shade(_ellipse(0, 118, 52, 26), 0.34, 12)
        canvas.line(_curve((-62, 166), (-36, 204), (36, 204), (62, 166)), (92, 72, 36), 9)
        canvas.shade(_ellipse(130, 330, 60, 170), 0.28, 30)
        canvas.shade(_ellipse(-70, 250, 40, 60, 20), -0.10, 24)
        self._picture = canvas.picture()

    def scaled(self, scale: float) -> tuple[Image, Image]:
        """At `scale` pixels per unit: premultiplied BGR and its opacity in three channels."""
        size = (max(1, round(_BODY_SIZE[0] * scale)), max(1, round(_BODY_SIZE[1] * scale)))
        kind = cv2.INTER_AREA if scale < self._detail / 1.5 else cv2.INTER_LINEAR
        picture = cv2.resize(self._picture, size, interpolation=kind)
        opaque = cv2.cvtColor(cv2.extractChannel(picture, 3), cv2.COLOR_GRAY2BGR)
        return cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), opaque  # type: ignore[return-value]


def backdrop(width: int, height: int) -> Image:
    """A quiet room: wall, window light, a picture, a plant, all out of focus."""
    units = 240.0 / height
    # Out of focus as it is, half the size loses nothing.
    canvas = _Canvas(width * units, 240.0, (0.0, 0.0), 0.5 / units)
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
    picture = cv2.cvtColor(canvas.picture(), cv2.COLOR_BGRA2BGR)
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, 1.1 / units))
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]

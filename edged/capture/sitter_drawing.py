"""The sitter's pixels: a person at a desk, drawn by us with nothing but shapes and soft shadows.

What does not change is drawn once, large and smoothed; a frame then only puts two small eye patches into the
head, warps the head into place over the scene, and adds a noise picture. Eye patches, turned heads, scenes and
noise are remembered, so a still scene costs next to nothing. Everything follows from the seed and the truth.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from edged.capture import sitter_portrait as portrait

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import TypeVar

    from edged.capture.sitter_script import Truth
    from edged.capture.source import Image

    Made = TypeVar("Made")

# Iris travel in units of the face (180 across; an eye is 44): an eyeball turning behind an eye of that width.
_IRIS_TRAVEL = 20.0
# Features sit this far in front of the axis the head turns about, in the same units.
_FEATURE_DEPTH = 62.0
_NOISE_PICTURES = 4
_FAINT_NOISE = 4.0
_LID_STEPS = 40
_IRIS_STEPS = 3.0  # per unit
_SUBPIXELS = 8.0


class _Remembered:
    """The results made last, by key, a bounded number of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, object] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        if key in self._made:
            self._made.move_to_end(key)
        else:
            self._made[key] = make()
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        return self._made[key]  # type: ignore[return-value]


class _Head(NamedTuple):
    """A head turned so far, without eyes: premultiplied BGRA."""

    shift: tuple[int, int]
    picture: Image


class SitterPainter:
    """Draws the sitter at `width` x `height` pixels.

    seed: of the noise. The same truth and frame number give the same pixels, always.
    """

    def __init__(self, width: int, height: int, seed: int = 1) -> None:
        self._width, self._height = width, height
        self._seed = seed
        self._backdrop = portrait.backdrop(width, height)
        self._levels: dict[float, portrait.Portrait] = {}
        self._heads = _Remembered(12)
        self._eyes = _Remembered(200)
        self._body: portrait.Body | None = None
        self._scaled_body: tuple[int, Image, Image] | None = None
        self._noise: dict[float, list[Image]] = {}
        self._scene_key: Hashable = None
        self._scene = self._backdrop
        self._with_eyes: Image | None = None
        self._with_eyes_key: Hashable = None
        self._picture_key: Hashable = None
        self._picture = self._backdrop
        self._drawn = np.empty_like(self._backdrop)
        self._lit = np.empty_like(self._backdrop)
        self._noisy = np.empty_like(self._backdrop)
        self._warped = np.empty((0, 0, 4), np.uint8)

    def prepare(self, face_width: float, noise: float) -> None:
        """Draw beforehand what a face of this width (fraction of the picture's) and this noise will need."""
        self._level(face_width * self._width)
        self._body = self._body or portrait.Body()
        if noise:
            self._noise_pictures(noise)

    def paint(self, truth: Truth, frame: int) -> Image:
        """The picture (uint8, height x width x 3, BGR) of the truth; overwritten by the next call."""
        key = self._key(truth)
        if key != self._picture_key:
            self._picture = self._paint_still(truth)
            self._picture_key = key
        if not truth.noise:
            return self._picture
        noise = self._noise_pictures(truth.noise)
        # A fixed but irregular order, so that the noise does not beat with anything.
        index = (frame * 2654435761 >> 7) % len(noise)
        return cv2.add(self._picture, noise[index], self._noisy)  # type: ignore[return-value]

    def _key(self, truth: Truth) -> Hashable:
        light = (round(truth.light * 100), truth.noise)
        if not truth.in_view:
            return light
        return (light, self._place(truth), self._turn(truth), self._eye_steps(truth))

    def _place(self, truth: Truth) -> tuple[int, int, int, int]:
        """Where the head is, in steps fine enough that nobody sees them."""
        return (
            round(truth.x * self._width * _SUBPIXELS),
            round(truth.y * self._height * _SUBPIXELS),
            round(truth.width * self._width * 4),
            round(truth.head_roll_degrees * 8),
        )

    def _turn(self, truth: Truth) -> tuple[int, int]:
        return round(truth.head_yaw_degrees), round(truth.head_pitch_degrees)

    def _eye_steps(self, truth: Truth) -> tuple[int, int, int, int]:
        yaw = math.radians(truth.gaze_yaw_degrees - truth.head_yaw_degrees)
        pitch = math.radians(truth.gaze_pitch_degrees - truth.head_pitch_degrees)
        return (
            round(truth.lid_left * _LID_STEPS),
            round(truth.lid_right * _LID_STEPS),
            round(_IRIS_TRAVEL * math.sin(yaw) * _IRIS_STEPS),
            round(-_IRIS_TRAVEL * math.sin(pitch) * _IRIS_STEPS),
        )

    def _paint_still(self, truth: Truth) -> Image:
        """The picture without noise, darker by the noise's offset where that shows."""
        if truth.in_view:
            picture = self._scene_with_body(truth)
            np.copyto(self._drawn, picture)
            self._put_head(self._drawn, truth)
            picture = self._drawn
        else:
            picture = self._backdrop
        light = round(truth.light * 100) / 100
        # Noise is added as positive numbers; more than a trace of it would brighten the picture.
        offset = _noise_offset(truth.noise) if truth.noise > _FAINT_NOISE else 0
        if light == 1 and not offset:
            return picture
        # |light * picture - offset|: only the few levels below the offset fold back, unseen under such noise.
        return cv2.convertScaleAbs(picture, self._lit, light, -offset)  # type: ignore[return-value]

    def _scene_with_body(self, truth: Truth) -> Image:
        x, y, width, _ = self._place(truth)
        scale = width / 4 / portrait.FACE_WIDTH
        # The body follows the head in whole pixels; between two of them the scene is the one drawn last.
        left = round(x / _SUBPIXELS - portrait.BODY_CENTRE_X * scale)
        top = round(y / _SUBPIXELS + portrait.BODY_TOP * scale)
        key = (left, top, width)
        if key != self._scene_key:
            self._body = self._body or portrait.Body()
            if self._scaled_body is None or self._scaled_body[0] != width:
                self._scaled_body = (width, *self._body.scaled(scale))
            _, body, opaque = self._scaled_body
            scene = self._scene if self._scene is not self._backdrop else np.empty_like(self._backdrop)
            np.copyto(scene, self._backdrop)
            _blend(scene, body, opaque, left, top)
            self._scene, self._scene_key = scene, key
        return self._scene

    def _put_head(self, picture: Image, truth: Truth) -> None:
        x8, y8, width4, roll8 = self._place(truth)
        face_width = width4 / 4
        level = self._level(face_width)
        head = self._head_with_eyes(level, truth)
        scale = face_width / portrait.FACE_WIDTH / level.detail
        # The sitter's left shoulder is at the viewer's right: a positive roll turns the picture clockwise.
        angle = math.radians(roll8 / 8)
        a, b = scale * math.cos(angle), scale * math.sin(angle)
        centre_x, centre_y = level.centre
        x, y = x8 / _SUBPIXELS, y8 / _SUBPIXELS
        height, width = head.shape[:2]
        reach = math.hypot(width, height) / 2 * scale + 2
        left, top = max(0, math.floor(x - reach)), max(0, math.floor(y - reach))
        right, bottom = min(self._width, math.ceil(x + reach)), min(self._height, math.ceil(y + reach))
        across = (abs(a) * width + abs(b) * height) / 2 + 2
        left, right = max(left, math.floor(x - across)), min(right, math.ceil(x + across))
        if right - left < 2 or bottom - top < 2:
            return
        matrix = np.array(
            [[a, -b, x - left - a * centre_x + b * centre_y], [b, a, y - top - b * centre_x - a * centre_y]]
        )
        if self._warped.shape != (bottom - top, right - left, 4):
            self._warped = np.empty((bottom - top, right - left, 4), np.uint8)
        cv2.warpAffine(head, matrix, (right - left, bottom - top), self._warped, flags=cv2.INTER_LINEAR)
        region = picture[top:bottom, left:right]
        behind = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(self._warped, 3)), cv2.COLOR_GRAY2BGR)
        cv2.multiply(region, behind, region, 1 / 255)
        cv2.add(region, cv2.cvtColor(self._warped, cv2.COLOR_BGRA2BGR), region)

    def _level(self, face_width: float) -> portrait.Portrait:
        """Half-size drawings for small faces: warping a large one down would skip pixels."""
        detail = 1.2 if face_width > 120 else 0.6
        level = self._levels.get(detail)
        if level is None:
            level = self._levels[detail] = portrait.Portrait(detail)
        return level

    def _head_with_eyes(self, level: portrait.Portrait, truth: Truth) -> Image:
        yaw, pitch = self._turn(truth)
        lid_left, lid_right, iris_x, iris_y = steps = self._eye_steps(truth)
        key = (level.detail, yaw, pitch, steps)
        if key == self._with_eyes_key and self._with_eyes is not None:
            return self._with_eyes
        head = self._heads.get((level.detail, yaw, pitch), lambda: self._turned_head(level, yaw, pitch))
        if self._with_eyes is None or self._with_eyes.shape != head.picture.shape:
            self._with_eyes = np.empty_like(head.picture)
        np.copyto(self._with_eyes, head.picture)
        # The viewer's right eye is the sitter's left.
        for side, lid in ((1, lid_left), (-1, lid_right)):
            patch = self._eyes.get(
                (level.detail, side, lid, iris_x, iris_y),
                lambda side=side, lid=lid: level.eye(  # type: ignore[misc]
                    side, lid / _LID_STEPS, iris_x / _IRIS_STEPS, iris_y / _IRIS_STEPS
                ),
            )
            left, top = level.eye_corner(side)
            portrait.put(self._with_eyes, patch, left + head.shift[0], top + head.shift[1])
        self._with_eyes_key = key
        return self._with_eyes

    def _turned_head(self, level: portrait.Portrait, yaw: int, pitch: int) -> _Head:
        """The features slide over the head as it turns, the nose, which stands out, further than the rest."""
        along = _FEATURE_DEPTH * level.detail * math.sin(math.radians(yaw))
        down = -_FEATURE_DEPTH * level.detail * math.sin(math.radians(pitch))
        picture = level.skull.copy()
        for layer in level.layers:
            left, top = layer.corner
            portrait.put(picture, layer.picture, left + round(along * layer.depth), top + round(down * layer.depth))
        return _Head((round(along), round(down)), picture)

    def _noise_pictures(self, level: float) -> list[Image]:
        known = self._noise.get(level)
        if known is not None:
            return known
        random = np.random.default_rng(self._seed)
        offset = _noise_offset(level)
        pictures: list[Image] = []
        for _ in range(_NOISE_PICTURES):
            # The same in all colours: close enough to a sensor's, whose noise is mostly brightness, and cheap.
            field = random.standard_normal((self._height, self._width), np.float32)
            grey = np.clip(np.rint(field * level + offset), 0, 2 * offset).astype(np.uint8)
            pictures.append(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
        self._noise = {level: pictures}
        return pictures


def _noise_offset(level: float) -> int:
    return math.ceil(level * 2.5)


def _blend(picture: Image, sprite: Image, opaque: Image, left: int, top: int) -> None:
    """Put a premultiplied sprite (BGR and its 3-channel opacity) onto a picture, clipped to it."""
    height, width = sprite.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(picture.shape[1], left + width), min(picture.shape[0], top + height)
    if x1 <= x0 or y1 <= y0:
        return
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    region = picture[y0:y1, x0:x1]
    cv2.multiply(region, cv2.bitwise_not(opaque[part]), region, 1 / 255)
    cv2.add(region, sprite[part], region)

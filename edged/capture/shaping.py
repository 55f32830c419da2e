"""Crop, turn, mirror and scale, once, in the cheapest order, into memory that is used again.

Cropping is a view and costs nothing; scaling comes next, so that turning and mirroring touch as few pixels
as can be. The rotation a file asks for and the one the user asks for become one turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from edged.capture.source import Image
    from edged.settings import CaptureSettings

REDUCTIONS = (8, 4, 2)
# Beyond this much shrinking, bilinear interpolation would skip pixels and iris edges would shimmer.
_LINEAR_UP_TO = 1.5


class Shaper:
    """Brings every picture of a source into its analysed form.

    Pictures may change size between calls; the plan is then made anew.
    """

    def __init__(self, settings: CaptureSettings, file_rotation_degrees: int = 0) -> None:
        """file_rotation_degrees: clockwise turn that makes the source's own pictures upright: 0, 90, 180, 270."""
        self._crop = _crop_of_raw(settings.crop, file_rotation_degrees)
        self._turn = (file_rotation_degrees + settings.rotate_degrees) % 360
        self._mirror = settings.mirror
        wide, tall = settings.width, settings.height
        self._fit = (tall, wide) if self._turn in (90, 270) else (wide, tall)
        self._planned_for: tuple[int, ...] = ()
        self._rows = slice(0)
        self._columns = slice(0)
        self._scaled: Image | None = None
        self._turned: Image | None = None
        self._colour: Image | None = None
        self._interpolation = cv2.INTER_LINEAR

    @property
    def leaves_alone(self) -> bool:
        """Whether a picture that already fits passes through untouched."""
        return not self._turn and not self._mirror and self._crop == (0.0, 0.0, 1.0, 1.0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the analysed picture for source pictures of this size."""
        _, _, wide, tall = self._plan_size(width, height)
        return (tall, wide) if self._turn in (90, 270) else (wide, tall)

    def reduction(self, width: int, height: int) -> int:
        """How many times smaller a JPEG of this size may be decoded without losing analysed pixels: 1, 2, 4, 8."""
        cropped_wide, cropped_tall, wide, tall = self._plan_size(width, height)
        for factor in REDUCTIONS:
            if cropped_wide // factor >= wide and cropped_tall // factor >= tall:
                return factor
        return 1

    def shape(self, image: Image, *, keep: bool = False) -> Image:
        """Analysed form of `image` (uint8, height x width [x 1, 3 or 4], BGR).

        keep: the memory of `image` will be taken away (a camera's mapped buffer), so a picture that needs
        nothing done is copied all the same. The result is overwritten by the next call.
        """
        if image.ndim == 2 or image.shape[2] != 3:
            image = self._to_colour(image)
        if image.shape != self._planned_for:
            self._plan(image)
        part = image[self._rows, self._columns]
        if self._scaled is not None:
            part = cv2.resize(  # type: ignore[assignment]
                part, (self._scaled.shape[1], self._scaled.shape[0]), self._scaled, interpolation=self._interpolation
            )
        if self._turned is None:
            return part
        turn, mirror, into = self._turn, self._mirror, self._turned
        if turn in (90, 270):
            # A quarter turn is a transpose and a flip; with a mirror one of the two flips falls away.
            cv2.transpose(part, into)
            if turn == 90 and not mirror:
                cv2.flip(into, 1, into)
            elif turn == 270:
                cv2.flip(into, -1 if mirror else 0, into)
        elif turn == 180:
            cv2.flip(part, 0 if mirror else -1, into)
        elif mirror:
            cv2.flip(part, 1, into)
        elif keep or (part.base is not None and not part.flags.c_contiguous):
            np.copyto(into, part)
        else:
            return part
        return into

    def _plan_size(self, width: int, height: int) -> tuple[int, int, int, int]:
        left, top, right, bottom = self._crop
        wide = max(1, round(width * right) - round(width * left))
        tall = max(1, round(height * bottom) - round(height * top))
        scale = min(1.0, self._fit[0] / wide, self._fit[1] / tall)
        return (
            wide,
            tall,
            max(1, min(self._fit[0], round(wide * scale))),
            max(1, min(self._fit[1], round(tall * scale))),
        )

    def _plan(self, image: Image) -> None:
        height, width = image.shape[:2]
        left, top, _, _ = self._crop
        cropped_wide, cropped_tall, wide, tall = self._plan_size(width, height)
        x = min(round(width * left), width - cropped_wide)
        y = min(round(height * top), height - cropped_tall)
        self._rows, self._columns = slice(y, y + cropped_tall), slice(x, x + cropped_wide)
        scaled = (wide, tall) != (cropped_wide, cropped_tall)
        self._scaled = np.empty((tall, wide, 3), np.uint8) if scaled else None
        self._interpolation = cv2.INTER_AREA if cropped_wide > wide * _LINEAR_UP_TO else cv2.INTER_LINEAR
        across = self._turn in (90, 270)
        # Without a turn the buffer is still needed where a crop or a borrowed picture must be copied out.
        needed = self._turn or self._mirror or not scaled
        self._turned = np.empty((wide, tall, 3) if across else (tall, wide, 3), np.uint8) if needed else None
        self._planned_for = image.shape

    def _to_colour(self, image: Image) -> Image:
        four = image.ndim == 3 and image.shape[2] == 4
        code = cv2.COLOR_BGRA2BGR if four else cv2.COLOR_GRAY2BGR
        if self._colour is None or self._colour.shape[:2] != image.shape[:2]:
            self._colour = np.empty((*image.shape[:2], 3), np.uint8)
        cv2.cvtColor(image, code, self._colour)
        return self._colour


def _crop_of_raw(crop: tuple[float, float, float, float], rotation_degrees: int) -> tuple[float, float, float, float]:
    """The crop, given on the upright picture, in coordinates of the picture as the source delivers it."""
    left, top, right, bottom = crop
    if rotation_degrees == 90:
        return top, 1 - right, bottom, 1 - left
    if rotation_degrees == 180:
        return 1 - right, 1 - bottom, 1 - left, 1 - top
    if rotation_degrees == 270:
        return 1 - bottom, left, 1 - top, right
    return crop

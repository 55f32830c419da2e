"""Things beside faces: the detector, attributes of faces, and whether the lens is covered."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from edged.settings.base import Fraction, Section, option

ObjectModel = Literal["yolox_nano", "ssd_mobilenet_v1"]


class ObjectSettings(Section):
    """The object detector."""

    enabled: bool = option(False, "Look for phones and people.", remote="live")
    model: ObjectModel = option(
        "yolox_nano", "The detector: yolox_nano sees more, ssd_mobilenet_v1 costs less.", remote="restart"
    )
    file: Path | None = option(
        None,
        "Another TFLite detector instead: YOLOX, or SSD and EfficientDet with post-processing; Coral-compiled ones need "
        "inference.objects.delegate.",
    )
    labels_file: Path | None = option(
        None, "Names of its classes, one a line from class 0; none means those in the file, else COCO's."
    )
    delegate: str = option("", "Shared library of a LiteRT delegate for the detector alone, e.g. libedgetpu.so.1.")
    delegate_options: dict[str, str] = option({}, "Options handed to that delegate.")
    labels: list[str] = option(
        ["person", "cell phone"], "What is reported, by the names of the model's classes.", remote="live", min_length=1
    )
    score: Fraction = option(0.3, "What was seen with less than this is not reported.", remote="live")
    interval_seconds: float = option(
        1.0, "Time between looks while somebody is there or something moves.", unit="s", remote="live", ge=0.1, le=600
    )
    idle_seconds: float = option(
        10.0, "Time between looks at an empty, still scene.", unit="s", remote="live", ge=0.1, le=3600
    )
    upper_bodies: int = option(
        2,
        "Of so many people the upper body is looked at again, at full resolution: phones are small. 0 does without.",
        remote="live",
        ge=0,
        le=8,
    )
    busy_fraction: float = option(
        0.15,
        "Most of one processor core that the detector may take; looks become rarer until it fits.",
        remote="live",
        ge=0.005,
        le=1,
    )

    @model_validator(mode="after")
    def _labels_of_a_file(self) -> ObjectSettings:
        if self.labels_file is not None and self.file is None:
            raise ValueError("labels_file belongs to file: the models of the registry carry their own labels")
        return self


class AttributeSettings(Section):
    """Classifiers of faces; each says one thing with a probability. None of them, no field."""

    mask_file: Path | None = option(None, "TFLite classifier: does the face wear a mask?")
    glasses_file: Path | None = option(None, "TFLite classifier: does the face wear glasses?")
    hat_file: Path | None = option(None, "TFLite classifier: does the head wear a hat?")
    interval_seconds: float = option(
        3.0, "Time between looks at the same face.", unit="s", remote="live", ge=0.1, le=600
    )


class LensSettings(Section):
    """Whether something covers the lens."""

    enabled: bool = option(True, "Look whether the picture shows next to nothing.", remote="live")
    interval_seconds: float = option(0.5, "Time between looks.", unit="s", remote="live", ge=0.1, le=60)
    least_detail: float = option(
        0.02,
        "A picture of which less than this share shows any edge is called blocked. A dark room is as well.",
        remote="live",
        ge=0,
        le=0.5,
    )

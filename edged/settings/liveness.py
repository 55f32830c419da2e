"""Whether a face is of flesh: the networks' part. Judgement's is in verdicts.py."""

from __future__ import annotations

from edged.settings.base import Fraction, Section, option


class LivenessSettings(Section):
    """The print and replay detector, and whether a face moves as a flat picture would."""

    enabled: bool = option(False, "Look for printed and replayed faces.", remote="live")
    first_looks: int = option(5, "Looks at a face that has just come, in quick succession.", remote="live", ge=1, le=50)
    first_seconds: float = option(0.3, "Time between these first looks.", unit="s", remote="live", ge=0.05, le=10)
    interval_seconds: float = option(2.0, "Time between later looks.", unit="s", remote="live", ge=0.1, le=600)
    smallest_face_pixels: int = option(
        64, "A face that is smaller than this shows too little.", unit="pixels", remote="live", ge=24, le=1000
    )
    largest_turn_degrees: float = option(
        35.0, "A face that is turned or tipped further than this is not asked about.", unit="°", remote="live",
        ge=5, le=90,
    )  # fmt: skip
    sharpness: Fraction = option(
        0.7,
        "A picture less sharp than this share of the face's sharpest one waits for a better one, for the interval at most.",
        remote="live",
    )
    motion: bool = option(True, "Watch whether the face moves as a flat picture would.", remote="live")
    busy_fraction: float = option(
        0.05,
        "Most of one processor core that the network may take; looks become rarer until it fits.",
        remote="live",
        ge=0.005,
        le=1,
    )

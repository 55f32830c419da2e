"""Who somebody is: the networks' part. Judgement's is in verdicts.py."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from edged.settings.base import Fraction, Section, option

EmbeddingModel = Literal["auto", "sface", "sface_int8", "mobilefacenet_dr", "mobilefacenet_f32", "mobilefacenet_uint8"]


# The budget may put the next look at a known face off, but not beyond this many times `recheck_seconds`.
LATEST_FACTOR = 6.0


class RecognitionSettings(Section):
    """Embedding faces and looking them up in the gallery."""

    enabled: bool = option(False, "Recognise people who are enrolled.", remote="live")
    model: EmbeddingModel = option(
        "auto",
        "Model that tells faces apart: auto takes the best that is here and whose licence allows any use; the others "
        "have to be named (edged models list shows licences).",
    )
    threshold: float | None = option(
        None,
        "Cosine from which two pictures show the same person; none means the model file's own, which is measured.",
        ge=0.05,
        le=0.99,
    )
    enhance_light: bool = option(
        False,
        "Even out the light on a face before it is embedded. People enrolled without it must be enrolled again with it.",
    )
    turn_upright: bool = option(
        True, "Turn tilted faces upright before they are embedded; off only scales and shifts them."
    )
    least_eye_pixels: float = option(
        18.0, "A face whose eyes are nearer together than this is too small.", unit="pixels", ge=6, le=200
    )
    least_quality: Fraction = option(0.3, "A picture of a face below this quality is not asked about.")
    recheck_seconds: float = option(
        5.0,
        "A face that was recognised is looked at again this often; at the latest after six times this, which "
        "judgement.identity.memory_seconds must cover.",
        unit="s",
        remote="live",
        ge=0.2,
        le=600,
    )
    budget_percent: float = option(
        4.0,
        "Most of the pipeline's processor time that looking again at recognised faces may take.",
        unit="%",
        remote="live",
        ge=0.1,
        le=100,
    )
    strangers: bool = option(True, "Know strangers again (unknown-3). Their faces' vectors are kept, never pictures.")
    strangers_days: float = option(
        7.0, "A stranger who was not seen for this long is forgotten.", unit="d", gt=0, le=3650
    )
    strangers_limit: int = option(
        200, "Most strangers that are remembered; who was away longest goes first.", ge=1, le=10_000
    )
    learn: bool = option(False, "Go on learning how known people look. `edged faces unlearn` undoes it.")
    learn_limit: int = option(10, "Most vectors that are learned of one person; the oldest goes first.", ge=1, le=200)
    learn_seconds: float = option(
        600.0, "Time between two vectors that are learned of one person.", unit="s", ge=0, le=86400
    )
    keep_pictures: bool = option(
        False,
        "Keep the aligned picture (112 x 112) of each face that is enrolled, so that another model can take over "
        "without enrolling again.",
    )
    key_file: Path | None = option(
        None, "Key (32 bytes) that seals the gallery against changes; none means gallery.key in store.directory."
    )

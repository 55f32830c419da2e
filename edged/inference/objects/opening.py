"""Which detector a model file is, told by the shapes of what goes in and comes out."""

from __future__ import annotations

from pathlib import Path

from edged.errors import ModelCorrupt, ModelMissing
from edged.inference.litert import Network
from edged.inference.models import ModelStore
from edged.inference.objects.detector import COCO, ObjectDetector, coco_of_90, labels_of
from edged.inference.objects.ssd import Ssd
from edged.inference.objects.yolox import Yolox, cells
from edged.settings import InferenceSettings

_CURE = "name a YOLOX, or an SSD or EfficientDet with post-processing, as inference.objects.file"


def open_detector(settings: InferenceSettings, store: ModelStore) -> ObjectDetector:
    """The detector that these settings name. Raises ModelMissing, ModelCorrupt or RuntimeMissing."""
    wanted = settings.objects
    path = store.path(wanted.model) if wanted.file is None else _own_file(wanted.file)
    network = Network(
        path,
        threads=settings.threads,
        delegate=wanted.delegate,
        delegate_options=wanted.delegate_options,
        delegate_setting="inference.objects.delegate",
        quantised=True,
        cure=ModelCorrupt.CURE if wanted.file is None else "check inference.objects.file",
    )
    labels = labels_of(path, wanted.labels_file)
    shape = tuple(network.input.shape)
    outputs = network.outputs
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        planes_first = shape[1] == 3
        height, width = shape[2:] if planes_first else shape[1:3]
        if len(outputs) == 1 and outputs[0].ndim == 3 and outputs[0].shape[1] == cells(height, width):
            return Yolox(network, _named(labels or COCO, int(outputs[0].shape[2]) - 5, path))
        if not planes_first and len(outputs) in (3, 4) and any(one.shape[-1] == 4 for one in outputs):
            return Ssd(network, labels or coco_of_90())
    shapes = ", ".join("x".join(map(str, one.shape)) for one in outputs)
    raise ModelCorrupt(
        path.name, f"it is no detector that edged knows: {'x'.join(map(str, shape))} in, {shapes} out", _CURE
    )


def _named(labels: tuple[str, ...], classes: int, path: Path) -> tuple[str, ...]:
    if len(labels) != classes:
        raise ModelCorrupt(
            path.name,
            f"it has {classes} classes and there are {len(labels)} labels",
            "set inference.objects.labels_file to a file with one name a line",
        )
    return labels


def _own_file(path: Path) -> Path:
    if not path.is_file():
        raise ModelMissing(path.name, f"is not at {path}", "check inference.objects.file")
    return path


def label_problem(detector: ObjectDetector, wanted: list[str]) -> str:
    """What is wrong with the labels that are asked for, as a sentence; empty: nothing."""
    strange = [label for label in wanted if label not in detector.labels]
    if not strange:
        return ""
    known = [label for label in detector.labels if label]
    shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    return (
        f"the object detector knows nothing called {', '.join(strange)} "
        f"(cure: set inference.objects.labels to some of {shown})"
    )

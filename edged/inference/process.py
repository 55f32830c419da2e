"""The inference child: newest frame in, observation out, as often as the scene asks and the board bears."""

from __future__ import annotations

import logging
import time

import cv2
import numpy as np

from edged.frames import FrameSlot
from edged.inference.evidence import EvidenceKeeper
from edged.inference.models import ModelStore, default_directory
from edged.inference.pacing import Pacer
from edged.inference.pipeline import Pipeline
from edged.messages import LOADING, Adopt, Downward, Enrol, InferenceReport, KeepEvidence, Pause, Resume
from edged.processes.child import ChildLink
from edged.settings import Settings
from edged.store.directory import chosen_directory

log = logging.getLogger(__name__)

_LOADING_SECONDS = 30.0  # a slow card, a cold cache and a delegate that compiles
_TURN_SECONDS = 0.5
_BUDGET_SECONDS = 2.0
_BUDGET_FRAMES = 5


def main(link: ChildLink, slot: FrameSlot, settings: Settings) -> None:
    """Analyse frames until told to stop. Raises ModelError or RuntimeMissing when there is nothing to analyse with."""
    # One camera must not take all cores: networks have their own thread setting, OpenCV needs none.
    cv2.setNumThreads(1)
    link.beacon(LOADING, _LOADING_SECONDS)
    pipeline = Pipeline(
        settings.inference,
        ModelStore(default_directory(settings.models)),
        stream_landmarks=settings.stream.landmarks,
        state_directory=chosen_directory(settings.store),
        remembers=True,
    )
    keeper = EvidenceKeeper(settings.evidence)
    try:
        _loop(link, slot, settings, pipeline, keeper)
    finally:
        try:
            for kept in keeper.close():
                link.send(kept)
        finally:
            pipeline.close()


def _loop(link: ChildLink, slot: FrameSlot, settings: Settings, pipeline: Pipeline, keeper: EvidenceKeeper) -> None:
    pacer = Pacer(settings.inference, settings.capture.frames_per_second)
    lockstep = settings.capture.pace == "fast"
    buffer = np.empty(settings.capture.width * settings.capture.height * 3, np.uint8)
    told = (False, pipeline.stages.warnings)
    _tell(link, pipeline.report(), slowed=False)
    paused = False
    sequence = 0
    # The first frame warms up every kernel; what it took says how long a frame may take on this board.
    doing, budget = "analysing the first frame", _LOADING_SECONDS
    while not link.stopping:
        for message in link.receive():
            if isinstance(message, (Pause, Resume)):
                paused = isinstance(message, Pause)
                keeper.clear()
            else:
                _obey(message, link, pipeline, keeper, pacer)
        for kept in keeper.tick(time.monotonic_ns()):
            link.send(kept)
        for outcome in pipeline.stages.enrolling.outcomes():
            link.send(outcome)
        link.beacon("paused" if paused else doing, budget)
        if paused:
            link.wait(_TURN_SECONDS)
            continue
        stamp = slot.read(sequence, buffer.data, _TURN_SECONDS)
        if stamp is None:
            continue
        sequence = stamp.sequence
        image = buffer[: stamp.size_bytes].reshape(stamp.height, stamp.width, 3)
        started, began = time.monotonic(), time.thread_time()
        observation = pipeline.analyse(image, stamp)
        link.send(observation)
        if (pacer.slowed, pipeline.stages.warnings) != told:
            # The gallery may be tampered with, or mended, at any time.
            told = (pacer.slowed, pipeline.stages.warnings)
            _tell(link, pipeline.report(), slowed=pacer.slowed)
        keeper.see(image, stamp)
        doing, budget = "analysing frames", _patience(time.monotonic() - started)
        if lockstep:
            slot.taken(sequence)
            continue
        empty = not observation.faces and not observation.motion
        slot.set_demand(pacer.step(time.monotonic(), time.thread_time() - began, empty=empty))


def _obey(message: Downward, link: ChildLink, pipeline: Pipeline, keeper: EvidenceKeeper, pacer: Pacer) -> None:
    if isinstance(message, KeepEvidence):
        keeper.keep(message)
    elif isinstance(message, Enrol):
        pipeline.stages.enrolling.enrol(message)
    elif isinstance(message, Adopt):
        adopted = Settings.model_validate_json(message.settings)
        pipeline.adopt(adopted.inference)
        pacer.adopt(adopted.inference, adopted.capture.frames_per_second)
        _tell(link, pipeline.report(), slowed=pacer.slowed)


def _patience(spent_seconds: float) -> float:
    """The silence allowed where a frame takes this long: in steps, so that it is seldom told anew."""
    budget = _BUDGET_SECONDS
    while budget < _BUDGET_FRAMES * spent_seconds:
        budget *= 2
    return budget


def _tell(link: ChildLink, report: InferenceReport, *, slowed: bool) -> None:
    warnings = [*report.warnings]
    if slowed:
        warnings.append(
            "the board is too slow for every frame, so fewer are analysed "
            "(cure: lower capture.frames_per_second, switch stages off, or raise inference.busy_fraction)"
        )
    for warning in warnings:
        log.warning("%s", warning)
    link.send(InferenceReport(report.backend, report.stages, report.missing_models, warnings))

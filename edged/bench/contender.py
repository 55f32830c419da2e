"""One contender of `edged bench pipeline`, in a process of its own: edged, MediaPipe, or the bare networks.

Runs as a module or, for an interpreter that has mediapipe and not edged, as a file: so nothing of edged is imported
before it is needed, and this is besides `inference/mediapipe_faces.py` the one place that knows mediapipe. Here it
is measured as its own users run it, there it works behind edged's interface.

The parent sends one JSON object a line on standard input and gets one a line on standard output. Pictures lie in a
memory file that is mapped for each task and unmapped after it, so that they count in nobody's memory. Each is
copied into a buffer of our own before it is looked at, as a picture from a camera would be; that copy is not timed.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if __name__ == "__main__" and not __package__:
    # Started as a file: the folder of the file would put `frames.py` and others at the top level.
    del sys.path[0]

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

_MAP_POPULATE = getattr(mmap, "MAP_POPULATE", 0x8000)  # known to Python since 3.10


class Contender(Protocol):
    """What is measured. look: analyses one BGR picture at this stream time and says whether it shows a face."""

    def look(self, image: Image, at_ms: float) -> bool: ...

    def calls(self) -> tuple[int, ...]:
        """How often each network was asked so far, where that can be known."""

    def expect(self, task: dict[str, Any]) -> None:
        """What the next pictures bring besides themselves."""


class EdgedContender:
    """edged's own pipeline, with the settings it was told."""

    def __init__(self, settings_json: str) -> None:
        import cv2

        from edged.frames import FrameStamp
        from edged.inference.models import ModelStore, default_directory
        from edged.inference.pipeline import Pipeline
        from edged.settings import Settings

        cv2.setNumThreads(1)  # as the inference process does
        settings = Settings.model_validate_json(settings_json)
        self._stamp = FrameStamp
        store = ModelStore(default_directory(settings.models))
        self._pipeline = Pipeline(settings.inference, store)
        for name in self._pipeline.finder.missing_models:
            store.path(name)  # says what is wrong with it
        self._frame = 0

    def look(self, image: Image, at_ms: float) -> bool:
        self._frame += 1
        height, width = image.shape[:2]
        return bool(
            self._pipeline.analyse(image, self._stamp(self._frame, self._frame, 0, 0, at_ms, width, height)).faces
        )

    def calls(self) -> tuple[int, ...]:
        return tuple(self._pipeline.finder.invocations().values())

    def expect(self, task: dict[str, Any]) -> None:
        pass

    def names(self) -> list[str]:
        """Which networks `calls` counts."""
        return list(self._pipeline.finder.invocations())


class MediaPipeContender:
    """FaceMesh with irises, following one face: the video mode its users run. It wants RGB and is given it."""

    def __init__(self) -> None:
        import cv2
        import mediapipe

        cv2.setNumThreads(1)
        self._cv2 = cv2
        self._mesh: Any = mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=False, max_num_faces=1, refine_landmarks=True
        )

    def look(self, image: Image, at_ms: float) -> bool:
        return self._mesh.process(self._cv2.cvtColor(image, self._cv2.COLOR_BGR2RGB)).multi_face_landmarks is not None

    def calls(self) -> tuple[int, ...]:
        return ()

    def expect(self, task: dict[str, Any]) -> None:
        pass


class BareContender:
    """Asks the networks in the order in which edged did, picture for picture, and does nothing else.

    The pictures arrive as they do for the others, since they displace what the processor's caches hold. The networks
    run on noise, which takes as long.
    """

    def __init__(self, settings_json: str, names: list[str]) -> None:
        from edged.inference.litert import Network
        from edged.inference.models import ModelStore, default_directory
        from edged.settings import Settings

        settings = Settings.model_validate_json(settings_json)
        store = ModelStore(default_directory(settings.models))
        inference = settings.inference
        noise = np.random.default_rng(1)
        self._networks = []
        for name in names:
            network = Network(
                store.path(name), threads=inference.threads, delegate=inference.delegate,
                delegate_options=inference.delegate_options,
            )  # fmt: skip
            network.input[:] = noise.random(network.input.shape, np.float32)
            self._networks.append(network)
        self._order: Iterator[list[Callable[[], None]]] = iter(())

    def expect(self, task: dict[str, Any]) -> None:
        bare = [network.bare_invoke for network in self._networks]
        self._order = iter([[bare[network] for network in calls] for calls in task["calls"]])

    def look(self, image: Image, at_ms: float) -> bool:
        for invoke in next(self._order):
            invoke()
        return False

    def calls(self) -> tuple[int, ...]:
        return ()


def serve(contender: Contender, frames_fd: int, answer: Callable[[dict[str, Any]], None]) -> None:
    """Analyse what the parent sends until it closes the line."""
    buffer: Image = np.empty(0, np.uint8)
    for line in sys.stdin:
        task = json.loads(line)
        if "pss" in task:
            answer({"pss_bytes": _pss_bytes()})
            continue
        height, width = task["height"], task["width"]
        if buffer.shape != (height, width, 3):
            buffer = np.empty((height, width, 3), np.uint8)
        size, count = buffer.size, len(task["at_ms"])
        flags = mmap.MAP_SHARED | _MAP_POPULATE
        with mmap.mmap(frames_fd, size * count, flags=flags, prot=mmap.PROT_READ) as memory:
            pictures = np.frombuffer(memory, np.uint8).reshape(count, height, width, 3)
            contender.expect(task)
            answer(_measure(contender, pictures, task["at_ms"], buffer))
            del pictures


def _measure(contender: Contender, pictures: Image, times_ms: list[float], buffer: Image) -> dict[str, Any]:
    """calls: for each picture the networks that were asked, in the order of the graph."""
    faces, aside, wall = 0, 0, 0
    calls: list[list[int]] = []
    before = contender.calls()
    # The whole process's time less our own bookkeeping: threads of a library that work on after it has answered count.
    cpu = time.process_time_ns()
    for number, at_ms in enumerate(times_ms):
        began = time.thread_time_ns()
        np.copyto(buffer, pictures[number])
        start_wall = time.perf_counter_ns()
        aside += time.thread_time_ns() - began
        faces += contender.look(buffer, at_ms)
        began = time.thread_time_ns()
        wall += time.perf_counter_ns() - start_wall
        after = contender.calls()
        if after != before:
            calls.append([network for network, count in enumerate(after) for _ in range(count - before[network])])
            before = after
        else:
            calls.append([])
        aside += time.thread_time_ns() - began
    cpu = time.process_time_ns() - cpu - aside
    return {"cpu_ns": cpu, "wall_ns": wall, "faces": faces, "calls": calls}


def serve_decoded(settings_json: str, frames_fd: int, answer: Callable[[dict[str, Any]], None]) -> None:
    """Decode the clip, a piece at a time, into the memory file. An answer without times is the end."""
    from edged.capture.opening import open_source
    from edged.settings import Settings

    settings = Settings.model_validate_json(settings_json)
    source = open_source(settings.capture)
    source.open()
    answer({"description": source.description})
    for line in sys.stdin:
        room = json.loads(line)["room"]
        times: list[float] = []
        height = width = 0
        # Not mapped but written: a piece of which only a part is filled takes no more memory than that part.
        while len(times) < room and (captured := source.read()) is not None:
            height, width = captured.image.shape[:2]
            os.pwrite(frames_fd, np.ascontiguousarray(captured.image).data, len(times) * height * width * 3)
            times.append(captured.at_ms)
        answer({"at_ms": times, "height": height, "width": width})


def _pss_bytes() -> int:
    with open("/proc/self/smaps_rollup", encoding="ascii") as rollup:  # noqa: PTH123 - one line shorter and no import
        for line in rollup:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """`contender.py ROLE FRAMES_FD`; what else a role needs is the first line of standard input."""
    role, frames_fd = sys.argv[1], int(sys.argv[2])
    # Libraries write what they like to standard output; answers have a line of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    needs = json.loads(sys.stdin.readline())
    try:
        _play(role, frames_fd, needs, answer)
    except ImportError as error:
        answer({"problem": f"{sys.executable} cannot import {error.name}"})
    except Exception as error:
        if type(error).__module__ != "edged.errors":
            raise
        answer({"problem": str(error), "kind": type(error).__name__})


def _play(role: str, frames_fd: int, needs: dict[str, Any], answer: Callable[[dict[str, Any]], None]) -> None:
    if role == "decode":
        serve_decoded(needs["settings"], frames_fd, answer)
    elif role == "bare":
        bare = BareContender(needs["settings"], needs["names"])
        answer({})
        serve(bare, frames_fd, answer)
    elif role == "edged":
        edged = EdgedContender(needs["settings"])
        answer({"names": edged.names()})
        serve(edged, frames_fd, answer)
    else:
        contender = MediaPipeContender()
        answer({})
        serve(contender, frames_fd, answer)


if __name__ == "__main__":
    main()

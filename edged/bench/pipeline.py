"""What analysing a clip costs: edged, MediaPipe's FaceMesh with irises, and the networks alone that edged asked.

Each contender is a process of its own (`contender.py`). The clip is decoded by one more and handed on in pieces;
every contender analyses a piece before the next is decoded, so that whatever else this machine does falls on all of
them. Decoding is in nobody's figures. A round is one pass over the clip by fresh processes that were warmed up on
its beginning; figures are the median of the rounds. Memory is measured in runs of their own, one process at a time,
since processes that share libraries share their size. This process imports neither numpy nor OpenCV for that reason.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from edged import errors
from edged.errors import EdgedError, RuntimeMissing, SourceUnavailable
from edged.settings import Settings

WARM_UP_FRAMES = 30
_PIECE_BYTES = 96 << 20
_MEMORY_FRAMES = 100  # enough for every buffer to be there
_EDGED, _MEDIAPIPE, _BARE = "edged", "mediapipe", "bare"
_MILLION = 1e6


@dataclass
class _Figures:
    """One contender over one round."""

    cpu_ns: int = 0
    wall_ns: int = 0
    faces: int = 0

    def add(self, answer: dict[str, Any]) -> None:
        self.cpu_ns += answer["cpu_ns"]
        self.wall_ns += answer.get("wall_ns", 0)
        self.faces += answer.get("faces", 0)


@dataclass
class _Round:
    frames: int = 0
    figures: dict[str, _Figures] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)


class _Player:
    """A contender's process. Raises EdgedError with its own words when it cannot do its work."""

    def __init__(self, role: str, frames_fd: int, needs: dict[str, Any], python: str = sys.executable) -> None:
        self._role = role
        program = ["-m", "edged.bench.contender"]
        if python != sys.executable:
            program = [str(Path(__file__).with_name("contender.py"))]
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(
                [python, *program, role, str(frames_fd)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, pass_fds=[frames_fd], text=True,
            )  # fmt: skip
        except OSError as error:
            self._words.close()
            raise RuntimeMissing(f"{python} cannot be started: {error.strerror} (check --mediapipe-python)") from None
        try:
            self.greeting = self.ask(needs)
        except BaseException:
            self.close()
            raise

    def ask(self, task: dict[str, Any]) -> dict[str, Any]:
        """Send a task and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            kind = RuntimeMissing if self._role == _MEDIAPIPE else EdgedError
            raise kind(f"{self._role}: its process ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if problem := answer.get("problem"):
            if self._role == _MEDIAPIPE:
                raise RuntimeMissing(f"{problem} (cure: leave out --mediapipe-python, or install mediapipe there)")
            kind = getattr(errors, answer.get("kind", ""), EdgedError)
            raise _as_told(kind, problem)
        return answer

    def close(self) -> None:
        """End the process and wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._words.close()

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _as_told(kind: type[EdgedError], sentence: str) -> EdgedError:
    """The error of another process again: its class decides the exit status, its sentence says it all."""
    error = kind.__new__(kind)
    Exception.__init__(error, sentence)
    return error


class PipelineBench:
    """Settings, a limit and the contenders there are; `run` measures.

    mediapipe_python: interpreter that has mediapipe; empty: this one, if it has it, else it is left out.
    frames: at most so many; seconds: of the clip's time; None: all of it.
    """

    def __init__(
        self, settings: Settings, *, mediapipe_python: str = "", frames: int | None = None, seconds: float | None = None
    ) -> None:
        capture = settings.capture.model_copy(update={"pace": "fast", "loop": False})
        settings = settings.model_copy(update={"capture": capture})
        self.clip = settings.capture.source
        # Only what the processes need: no password travels.
        self._settings_json = settings.model_dump_json(include={"capture", "inference", "models"})
        self._piece_frames = max(8, _PIECE_BYTES // (capture.width * capture.height * 3))
        self._frames = frames
        self._seconds = seconds
        if not mediapipe_python and importlib.util.find_spec("mediapipe") is not None:
            mediapipe_python = sys.executable
        self._mediapipe_python = mediapipe_python
        self._memory = -1

    def run(self, rounds: int, told: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
        """Everything, as `--json` prints it. told: gets a word before each part."""
        contenders = [_EDGED, *([_MEDIAPIPE] if self._mediapipe_python else [])]
        self._memory = os.memfd_create("edged-bench-frames")
        try:
            done = [self._round(contenders, told, f"round {one} of {rounds}") for one in range(1, rounds + 1)]
            told("memory")
            pss = {name: self._pss_bytes(name) for name in contenders}
        finally:
            os.close(self._memory)
        return _result(self.clip, done, pss)

    def _player(self, role: str, **needs: Any) -> _Player:
        python = self._mediapipe_python if role == _MEDIAPIPE else sys.executable
        return _Player(role, self._memory, {"settings": self._settings_json, **needs}, python)

    def _pieces(self) -> Generator[dict[str, Any], None, None]:
        """The clip, piece by piece, in the memory file."""
        with contextlib.closing(self._player("decode")) as decoder:
            begin_ms: float | None = None
            left = self._frames
            while left is None or left > 0:
                room = self._piece_frames if left is None else min(left, self._piece_frames)
                piece = decoder.ask({"room": room})
                times = piece["at_ms"]
                begin_ms = times[0] if begin_ms is None and times else begin_ms
                if self._seconds is not None and begin_ms is not None:
                    piece["at_ms"] = [at for at in times if at - begin_ms <= self._seconds * 1000]
                if piece["at_ms"]:
                    yield piece
                if len(piece["at_ms"]) < room:
                    return
                left = None if left is None else left - room

    def _round(self, contenders: list[str], told: Callable[[str], None], title: str) -> _Round:
        told(title)
        result = _Round(figures={name: _Figures() for name in (*contenders, _BARE)})
        with contextlib.ExitStack() as stack:
            players = {name: self._start(stack, name) for name in contenders}
            names = players[_EDGED].greeting["names"]
            bare = self._start(stack, _BARE, names=names)
            offset_ms = 0.0
            pieces = stack.enter_context(contextlib.closing(self._pieces()))
            for number, piece in enumerate(pieces):
                if number == 0:
                    offset_ms = _warm_up(piece, [*players.values()], bare, len(names))
                piece["at_ms"] = [at + offset_ms for at in piece["at_ms"]]
                # Whoever is first finds the machine in another state than who comes after: take turns.
                for name in contenders[::-1] if number % 2 else contenders:
                    answer = players[name].ask(piece)
                    result.figures[name].add(answer)
                    if name == _EDGED:
                        result.figures[_BARE].add(bare.ask({**piece, "calls": answer["calls"]}))
                        result.calls.update(names[network] for calls in answer["calls"] for network in calls)
                result.frames += len(piece["at_ms"])
                told(f"{title}, {result.frames} frames")
        if not result.frames:
            raise SourceUnavailable(self.clip, "has no frame to measure with")
        return result

    def _start(self, stack: contextlib.ExitStack, role: str, **needs: Any) -> _Player:
        return stack.enter_context(contextlib.closing(self._player(role, **needs)))

    def _pss_bytes(self, name: str) -> int:
        """Memory of a contender that has this machine to itself, as far as we are concerned."""
        pieces = self._pieces()
        piece = next(pieces)
        pieces.close()  # ends the decoder, which shares libraries with edged
        piece["at_ms"] = piece["at_ms"][:_MEMORY_FRAMES]
        with contextlib.closing(self._player(name)) as player:
            player.ask(piece)
            return int(player.ask({"pss": True})["pss_bytes"])


def _warm_up(piece: dict[str, Any], players: list[_Player], bare: _Player, networks: int) -> float:
    """Let all see the beginning of the clip; it then starts over. Returns the milliseconds by which it does so later."""
    times = piece["at_ms"][:WARM_UP_FRAMES]
    for player in players:
        player.ask({**piece, "at_ms": times})
    bare.ask({**piece, "at_ms": times, "calls": [[*range(networks)]] * len(times)})
    step_ms = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 40.0
    return float(times[-1] - times[0] + step_ms)


def _result(clip: str, rounds: list[_Round], pss: dict[str, int]) -> dict[str, Any]:
    frames = rounds[-1].frames

    def cpu_ms(one: _Round, name: str) -> float:
        return one.figures[name].cpu_ns / _MILLION / one.frames

    def figures(name: str) -> dict[str, Any]:
        return {
            "cpu_ms_per_frame": _rounded(median(cpu_ms(one, name) for one in rounds)),
            "wall_ms_per_frame": _rounded(median(one.figures[name].wall_ns / _MILLION / frames for one in rounds)),
            "frames_with_face": rounds[-1].figures[name].faces,
            "pss_mb": round(pss[name] / (1 << 20), 1),
        }

    def ratio(to: str) -> float:
        """Of each round by itself, since its contenders met the same machine; then the median."""
        return _rounded(median(cpu_ms(one, _EDGED) / max(1e-9, cpu_ms(one, to)) for one in rounds))

    measured = _MEDIAPIPE in pss
    return {
        "clip": clip,
        "frames": frames,
        "rounds": len(rounds),
        "edged": figures(_EDGED),
        "mediapipe": figures(_MEDIAPIPE) if measured else None,
        "bare_invokes": {
            "cpu_ms_per_frame": _rounded(median(cpu_ms(one, _BARE) for one in rounds)),
            "count": dict(rounds[-1].calls),
        },
        "ratios": {
            "edged_to_mediapipe": ratio(_MEDIAPIPE) if measured else None,
            "edged_to_bare_invokes": ratio(_BARE),
        },
    }


def _rounded(value: float) -> float:
    return round(value, 4)

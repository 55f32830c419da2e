"""The demo where no broker can be had: the same pipeline and judgement in this process, events printed."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any

from edged.analysis import Analysis, EventLines
from edged.capture.sitter import load_script
from edged.demo.scoring import Watched, score
from edged.settings import Settings
from edged.wording import payload_text


def watch_alone(settings: Settings, seconds: float | None, *, say: bool) -> dict[str, Any]:
    """Watch the sitter in real time for so long (None: until Ctrl-C). Returns the demo's report, without latencies."""
    analysis = Analysis(settings)
    lines = EventLines("sitter")
    events: list[dict[str, Any]] = []
    stages: dict[str, float] = {}
    frames, first_ms, last_ms = 0, None, 0.0
    began = time.monotonic()
    with contextlib.closing(analysis), contextlib.suppress(KeyboardInterrupt):
        for step in analysis.steps():
            frames += 1
            first_ms = step.observation.at_ms if first_ms is None else first_ms
            last_ms = step.observation.at_ms
            stages = step.observation.stage_ms
            for happening in step.happenings:
                events.append(lines.payload(happening))
                if say:
                    print(f"{events[-1]['at']}  {events[-1]['kind']:<9} {payload_text(events[-1])}", flush=True)
            if seconds is not None and last_ms - first_ms > seconds * 1000:
                break
    result = score(
        load_script(settings.capture.source),
        events,
        Watched((first_ms or 0.0) / 1000, last_ms / 1000),
        settings.judgement,
        settings.capture.frames_per_second,
    )
    return {
        "frames": frames,
        "fps": round(frames / max(1e-3, time.monotonic() - began), 2),
        "events": dict(Counter(event["kind"] for event in events)),
        "truth": {"matched": result.matched, "missed": len(result.missed), "false": len(result.false)},
        "latency_ms": {"capture_to_subscriber": {"p50": None, "p95": None}, "stages": stages},
        "restarts": 0,
    }

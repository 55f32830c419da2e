"""What the doctor asks in a process of its own: `python -m edged.doctor.probes NAME` reads JSON and answers in JSON.

Native code that crashes or hangs (a camera driver, a processor the runtime was not built for) is then a finding
and not the end of the doctor.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from edged.errors import EdgedError, HookUnusable, SourceError
from edged.settings import CaptureSettings


def camera(asked: dict[str, Any]) -> dict[str, Any]:
    """Open the source of the given capture settings and read one picture."""
    from edged.capture.opening import open_source

    source = open_source(CaptureSettings.model_validate(asked))
    try:
        source.open()
        begun = time.monotonic()
        captured = source.read()
        if captured is None:
            return {"ok": False, "what": f"{source.description}: no picture in it", "cure": "name another source"}
        height, width = captured.image.shape[:2]
        waited = time.monotonic() - begun
        return {"ok": True, "what": f"{source.description}; a picture of {width}×{height} after {waited:.2f} s"}
    finally:
        source.close()


def network(asked: dict[str, Any]) -> dict[str, Any]:
    """Load a model with the given runtime settings and run it once."""
    from edged.inference.litert import Network

    loaded = Network(
        Path(asked["path"]),
        threads=asked["threads"],
        delegate=asked["delegate"],
        delegate_options=asked["delegate_options"],
    )
    loaded.run()
    begun = time.perf_counter()
    loaded.run()
    return {"ok": True, "what": f"{loaded.name} runs in {(time.perf_counter() - begun) * 1000:.1f} ms"}


def hook(asked: dict[str, Any]) -> dict[str, Any]:
    """Load a hook, but do not make one: the daemon may be at work with what it needs for itself."""
    from edged.events import EVENT_KINDS
    from edged.hooks.entry_points import offered
    from edged.hooks.making import loaded

    offer = offered(asked["name"])
    found = loaded(offer)
    events = asked["events"] or getattr(found, "events", ())
    unknown = [str(kind) for kind in events if kind not in EVENT_KINDS]
    if unknown:
        cure = f"the kinds are {', '.join(EVENT_KINDS)}"
        return {"ok": False, "what": f"there are no events {', '.join(unknown)}, which it asks for", "cure": cure}
    return {"ok": True, "what": f"{offer.entry_point.value} of {offer.package} loads"}


def main(name: str) -> None:
    """Answer one question; anything that goes wrong is an answer too."""
    try:
        answer = {"camera": camera, "network": network, "hook": hook}[name](json.load(sys.stdin))
    except SourceError as error:
        answer = {"ok": False, "what": f"{error.source}: {error.reason}", "cure": error.cure}
    except HookUnusable as error:
        answer = {"ok": False, "what": error.reason, "cure": error.cure}
    except EdgedError as error:
        answer = {"ok": False, "what": str(error), "cure": getattr(error, "cure", "")}
    except Exception as error:  # noqa: BLE001 - whatever it is, the doctor tells it
        answer = {"ok": False, "what": f"{type(error).__name__}: {error}", "cure": ""}
    # Libraries may have written to standard output; the answer is its last line.
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])

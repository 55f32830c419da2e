"""How fast a full outbox drains into a broker, beside what paho alone publishes at QoS 1.

Both sides are a process of their own and send the same number of equal messages to the same broker with the same
number under way, in alternating rounds. edged reads each event from its SQLite file, publishes it with its user
property, waits for the acknowledgement and deletes it from the file; paho alone sends one payload from memory.
Time runs from before the connect until the last acknowledgement, for edged until the last event is deleted as well.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edged.bus.bus import Bus
from edged.bus.delivery import RESERVE, WINDOW
from edged.bus.outbox import OutgoingEvent
from edged.bus.private_broker import PrivateBroker
from edged.errors import EdgedError
from edged.events import Blink, Happening, envelope
from edged.settings import MqttSettings
from edged.store.database import Database
from edged.store.outbox import SqliteOutbox
from edged.topics import camera_topic

EVENTS = 20_000
ROUNDS = 3
CAMERA = "bench"
# What a busy machine needs for one round.
ROUND_SECONDS = 300.0
# mosquitto lets 20 be under way unless told otherwise; so that the window is ours and not the broker's.
_BROKER = (f"max_inflight_messages {WINDOW}",)
_EVENT_WINDOW = WINDOW - RESERVE


def event_payload(number: int) -> bytes:
    """A blink as the daemon would tell it."""
    blink = Blink("single", number, number + 4, 180.0, 0.05, "none", 1)
    return msgspec.json.encode(envelope(Happening(blink, number, number * 33.3, 0, 0), CAMERA, number, b"bench"))


def measure(
    events: int = EVENTS,
    rounds: int = ROUNDS,
    directory: Path | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The figures, each the median over the rounds; ratio: edged's rate over paho's, median of the rounds' ratios.

    directory: where the database lies while it is drained (None: the system's temporary folder).
    Raises BrokerError without mosquitto.
    """
    topic = camera_topic("edged", CAMERA, "event", kind="blink")
    payload = event_payload(events)
    found: dict[str, list[dict[str, float]]] = {"edged": [], "paho": []}
    with PrivateBroker(lines=_BROKER) as broker, tempfile.TemporaryDirectory(dir=directory) as folder:
        for number in range(rounds):
            for name in ("edged", "paho") if number % 2 == 0 else ("paho", "edged"):
                told(f"{name}, round {number + 1} of {rounds}")
                if name == "edged":
                    arguments = ["edged.bench.outbox", str(broker.port), str(events), f"{folder}/{number}.db"]
                else:
                    arguments = [
                        "edged.bench.bare_paho", broker.host, str(broker.port), str(events), str(_EVENT_WINDOW), topic,
                        payload.decode(),
                    ]  # fmt: skip
                found[name].append(_run(arguments))
    result: dict[str, Any] = {
        "events": events,
        "rounds": rounds,
        "payload_bytes": len(payload),
        "in_flight": _EVENT_WINDOW,
    }
    for name, figures in found.items():
        result[name] = {
            "messages_per_second": round(statistics.median(events / each["seconds"] for each in figures)),
            "cpu_seconds": round(statistics.median(each["cpu_seconds"] for each in figures), 3),
            "rounds": [round(events / each["seconds"]) for each in figures],
        }
    ratios = [paho["seconds"] / edged["seconds"] for edged, paho in zip(found["edged"], found["paho"], strict=True)]
    result["ratio"] = round(statistics.median(ratios), 3)
    return result


def _run(arguments: list[str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=ROUND_SECONDS, check=False
    )
    if done.returncode:
        raise EdgedError(f"{arguments[0]} failed: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def drain(port: int, events: int, path: Path) -> dict[str, float]:
    """Fill an outbox, then give it a broker. Runs in its own process."""
    outbox = SqliteOutbox(Database(path))
    topic = camera_topic("edged", CAMERA, "event", kind="blink")
    for number in range(events):
        outbox.add(OutgoingEvent(topic, "blink", event_payload(number), time.monotonic_ns()))
    bus = Bus(MqttSettings(host=PrivateBroker.host, port=port, session_expiry_seconds=0), CAMERA, outbox)
    begin, cpu = time.perf_counter(), time.process_time()
    bus.start()
    while len(outbox):
        time.sleep(0.005)
    outbox.close()
    figures = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - cpu}
    bus.stop(2.0)
    return figures


def main(arguments: list[str]) -> None:
    """Run edged's side once."""
    port, events, path = arguments
    print(json.dumps(drain(int(port), int(events), Path(path))))


if __name__ == "__main__":
    main(sys.argv[1:])

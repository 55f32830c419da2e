"""The yardstick of `edged bench outbox`: paho alone, as fast as it publishes QoS 1. Keeps nothing, repeats nothing.

Run as `python -m edged.bench.bare_paho HOST PORT COUNT WINDOW TOPIC PAYLOAD`; prints figures as JSON. The only file
beside `edged.bus.paho_link` that imports paho: what is compared must not be built on what it is compared with.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion


class BarePublisher:
    """Publishes the same message so many times, with so many under way, from within the acknowledgements.

    One thread, no queue: faster than `loop_start` with publishing from another thread, where two wait for one lock.
    """

    def __init__(self, count: int, window: int, topic: str, payload: bytes) -> None:
        self._to_send = count
        self._to_hear = count
        self._window = window
        self._topic = topic
        self._payload = payload
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.max_inflight_messages_set(window)
        self._client.on_connect = self._connected
        self._client.on_publish = self._acknowledged

    def run(self, host: str, port: int) -> dict[str, float]:
        """How long it took, wall and processor, in seconds, from before the connect to the last acknowledgement."""
        begin, cpu = time.perf_counter(), time.process_time()
        self._client.connect(host, port)
        while self._to_hear:
            self._client.loop(1.0)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
        self._client.disconnect()
        return {"seconds": seconds, "cpu_seconds": cpu_seconds}

    def _connected(self, *_: Any) -> None:
        for _number in range(min(self._window, self._to_send)):
            self._publish()

    def _acknowledged(self, *_: Any) -> None:
        self._to_hear -= 1
        if self._to_send:
            self._publish()

    def _publish(self) -> None:
        self._to_send -= 1
        self._client.publish(self._topic, self._payload, qos=1)


def main(arguments: list[str]) -> None:
    """Run once."""
    host, port, count, window, topic, payload = arguments
    publisher = BarePublisher(int(count), int(window), topic, payload.encode())
    print(json.dumps(publisher.run(host, int(port))))


if __name__ == "__main__":
    main(sys.argv[1:])

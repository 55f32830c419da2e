"""One actuator's voice and ear on MQTT."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from edged.bus.message import Message
from edged.bus.outbox import Outbox, OutgoingEvent
from edged.bus.speaker import Speaker
from edged.jobs import FINAL, ActuatorHealth, JobState
from edged.settings import MqttSettings
from edged.topics import actuator_topic


class ActuatorBus(Speaker):
    """Tells how jobs stand, and hands every request over before the broker is told that it arrived."""

    def __init__(
        self,
        settings: MqttSettings,
        actuator: str,
        outbox: Outbox,
        hear: Callable[[Message], None],
        follows: Iterable[str] = (),
    ) -> None:
        """hear: called on the network thread; what it notes on disk before it returns cannot be lost, for only then is
        the message acknowledged. follows: topic filters beside the requests; there `retain` of a message says that the
        broker repeats it.
        """
        self._actuator = actuator
        self._hear = hear
        self._prefix = settings.prefix
        self.request_topic = self._topic("request")
        super().__init__(
            settings, actuator, f"edged-actuator-{actuator}", self._topic("availability"),
            [self.request_topic], outbox, list(follows),
        )  # fmt: skip

    def job(self, state: JobState) -> None:
        """Put how a job stands in the outbox: sent in order, and again until the broker has it."""
        topic = self._topic("job", id=state.id)
        kind = "job" if state.state in FINAL else "job_progress"
        self._delivery.event(OutgoingEvent(topic, kind, msgspec.json.encode(state), None))
        self._connection.poke()

    def health(self, state: ActuatorHealth, interval_seconds: float) -> None:
        """Set `health`, which is told again after interval_seconds at the latest."""
        self._latest(self._topic("health"), state, self._expiry(interval_seconds))

    def _take(self, message: Message) -> None:
        self._hear(message)

    def _topic(self, key: str, **levels: str) -> str:
        return actuator_topic(self._prefix, self._actuator, key, **levels)

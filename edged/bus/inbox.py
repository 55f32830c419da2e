"""Messages that are no commands, on their way from the network thread to the daemon's."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from edged.bus.message import Message

log = logging.getLogger(__name__)

LIMIT = 256


class Inbox:
    """A bounded queue. Of a topic that says how things should be only the newest message is kept.

    latest_topics: those topics. They always find room; of the others the newest is dropped when `LIMIT` wait.
    """

    def __init__(self, latest_topics: frozenset[str] = frozenset()) -> None:
        self._latest_topics = latest_topics
        self._lock = threading.Lock()
        self._messages: OrderedDict[int, Message] = OrderedDict()
        self._count = 0

    def put(self, message: Message) -> bool:
        """Keep a message; False: there was no room."""
        with self._lock:
            if message.topic in self._latest_topics:
                for key in [key for key, other in self._messages.items() if other.topic == message.topic]:
                    del self._messages[key]
            elif len(self._messages) >= LIMIT:
                log.warning("a message on %s was dropped: too many wait", message.topic[:100])
                return False
            self._count += 1
            self._messages[self._count] = message
            return True

    def take(self) -> list[Message]:
        """All that wait, in order; they are gone then."""
        with self._lock:
            found = list(self._messages.values())
            self._messages.clear()
            return found

"""What came in on a command topic: a request to act on, an answer to give at once, or a repetition to pass over.

Knows no network: it takes messages and the time, and returns what to do.
"""

from __future__ import annotations

import difflib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Union

import msgspec

from edged.bus.message import Message
from edged.errors import SignatureRefused
from edged.signing import plain_object
from edged.topics import COMMANDS, NAME_PATTERN, SIGNED_COMMANDS, Command, Response, camera_topic, command_name

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_TRANSACTION_CHARACTERS = 256
# The same transaction within this time is a repetition, not a second wish.
REPEAT_SECONDS = 60.0
# What the broker itself marks as a repetition may come much later: it waits in our session while we are away.
REDELIVERY_SECONDS = 3600.0
_REMEMBERED = 1024

_decode = msgspec.json.Decoder(Command).decode


@dataclass(frozen=True)
class Request:
    """A command to act on. reply_topic, correlation: MQTT 5 response topic and correlation data, if given.

    signed: of a command that has to be, all that was sent; nobody has looked at its signature yet.
    """

    name: str
    command: Command
    reply_topic: str | None
    correlation: bytes | None
    signed: dict[str, Any] | None = None


@dataclass(frozen=True)
class Reply:
    """An answer, ready to be published on each of its topics; correlation goes with the asker's own topic."""

    topics: tuple[tuple[str, bytes | None], ...]
    payload: bytes


@dataclass(frozen=True)
class Repetition:
    """A command that came before; reply: the answer it got, None if it is still being worked on."""

    reply: Reply | None


_Key = tuple[str, Union[str, bytes], Union[str, None], Union[bytes, None]]


@dataclass
class _Remembered:
    taken_seconds: float
    reply: Reply | None = None


class CommandDesk:
    """Reads commands for one camera."""

    def __init__(self, prefix: str, camera: str) -> None:
        self._prefix = prefix
        self._camera = camera
        self._taken: OrderedDict[_Key, _Remembered] = OrderedDict()

    def take(self, message: Message, now_seconds: float) -> Request | Reply | Repetition | None:
        """Judge a message on a command topic; None: nothing to do. Never raises for what it contains."""
        if message.retain and not message.payload:
            return None  # somebody clears a retained command
        name = command_name(message.topic)
        reply_topic = message.properties.get("response_topic")
        correlation = message.properties.get("correlation")
        if reply_topic is not None and not may_reply_on(reply_topic, self._prefix, self._camera):
            return self._refuse(name, None, None, None, f"the response topic {reply_topic[:100]!r} is not allowed")
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            return self._refuse(
                name,
                None,
                reply_topic,
                correlation,
                f"the payload has {len(message.payload)} bytes; at most {MAX_PAYLOAD_BYTES} are read",
            )
        signed = None
        try:
            if name in SIGNED_COMMANDS:
                signed = plain_object(message.payload, MAX_PAYLOAD_BYTES)
                given = signed.get("transaction")
                command = Command(given if isinstance(given, str) else None)
            else:
                command = _decode(message.payload) if message.payload.strip() else Command()
        except SignatureRefused as error:
            return self._refuse(name, None, reply_topic, correlation, str(error))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return self._refuse(
                name,
                None,
                reply_topic,
                correlation,
                f'the payload is not what a command takes, e.g. {{"transaction": "1"}} or nothing: {error}',
            )
        if command.transaction is not None and len(command.transaction) > MAX_TRANSACTION_CHARACTERS:
            return self._refuse(
                name,
                None,
                reply_topic,
                correlation,
                f"the transaction is longer than {MAX_TRANSACTION_CHARACTERS} characters",
            )
        if message.retain:
            return self._refuse(
                name,
                command.transaction,
                reply_topic,
                correlation,
                "retained commands are refused, since the broker repeats them at every connect "
                "(publish without the retain flag, and clear this one with an empty retained message)",
            )
        there = (*COMMANDS, *SIGNED_COMMANDS)
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            return self._refuse(
                name,
                command.transaction,
                reply_topic,
                correlation,
                f"unknown command (there are {', '.join(there)}){guess}",
            )
        return self._once(Request(name, command, reply_topic, correlation, signed), message, now_seconds)

    def answer(self, request: Request, response: Response) -> Reply:
        """The answer to a request, remembered for repetitions of it."""
        reply = self._reply(request.name, request.reply_topic, request.correlation, response)
        transaction = request.command.transaction
        for key, remembered in self._taken.items():
            same_wish = isinstance(key[1], bytes) if transaction is None else key[1] == transaction
            if same_wish and (key[0], key[2], key[3]) == (request.name, request.reply_topic, request.correlation):
                remembered.reply = reply
        return reply

    def _once(self, request: Request, message: Message, now_seconds: float) -> Request | Repetition:
        transaction = request.command.transaction
        # Without a transaction only the broker's own mark tells a repetition from a second wish.
        what: str | bytes = message.payload if transaction is None else transaction
        key: _Key = (request.name, what, request.reply_topic, request.correlation)
        before = self._taken.get(key)
        if before is not None:
            age_seconds = now_seconds - before.taken_seconds
            repeated = message.duplicate and age_seconds <= REDELIVERY_SECONDS
            again = transaction is not None and age_seconds <= REPEAT_SECONDS
            if repeated or again:
                return Repetition(before.reply)
        self._taken[key] = _Remembered(now_seconds)
        self._taken.move_to_end(key)
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
        return request

    def _refuse(
        self, name: str, transaction: str | None, reply_topic: str | None, correlation: bytes | None, error: str
    ) -> Reply:
        return self._reply(
            name, reply_topic, correlation, Response("error", name[:64], transaction=transaction, error=error)
        )

    def _reply(self, name: str, reply_topic: str | None, correlation: bytes | None, response: Response) -> Reply:
        # The name is a level of somebody else's topic: only a proper one is copied into ours.
        level = name if NAME_PATTERN.fullmatch(name) else "unknown"
        own = camera_topic(self._prefix, self._camera, "response", name=level)
        topics: list[tuple[str, bytes | None]] = [(own, correlation)]
        if reply_topic is not None and reply_topic != own:
            topics.append((reply_topic, correlation))
        return Reply(tuple(topics), msgspec.json.encode(response))


def may_reply_on(topic: str, prefix: str, camera: str) -> bool:
    """An asker may have its answer anywhere but where it would pass for something else: our own retained state,
    a command (which would be answered, and so on for ever), a job for an actuator, the broker's own topics.
    """
    if not topic or "+" in topic or "#" in topic or "\0" in topic or topic.startswith("$"):
        return False
    if topic.startswith(camera_topic(prefix, camera, "response", name="")):
        return True
    return not topic.startswith((f"{prefix}/camera/", f"{prefix}/actuator/", "homeassistant/"))

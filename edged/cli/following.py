"""Sends a request to an actuator and tells how the job goes, over lost connections, to its end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import typer

from edged.actuators.asking import encoded, make_request
from edged.bus.message import Message
from edged.bus.subscriber import Subscriber
from edged.errors import BrokerError
from edged.jobs import FINAL, JobState
from edged.settings import MqttSettings
from edged.topics import actuator_topic

STATUSES = {"succeeded": 0, "failed": 1, "rejected": 6, "cancelled": 7, "expired": 8}
_FIRST_ANSWER_SECONDS = 10.0
# For this long an actuator that says nothing more may take beyond the moment at which the job must have moved on.
_PATIENCE_SECONDS = 10.0
# An actuator that is gone in the middle of a job is waited for this long: a restart takes a second or two.
_GONE_SECONDS = 60.0
# Retained messages come with the subscription.
_RETAINED_SECONDS = 0.5
_TURN_SECONDS = 0.25


class Follower:
    """One request, from `edged act`."""

    def __init__(
        self, mqtt: MqttSettings, name: str, request: Mapping[str, Any], key: bytes | None, life_seconds: float,
        *, confirms: bool = False, as_json: bool = False,
    ) -> None:  # fmt: skip
        """confirms: confirm the job as soon as it waits for that. as_json: print what is told as it is."""
        self._mqtt = mqtt
        self._name = name
        self._request = request
        self._key = key
        self._life_seconds = life_seconds
        self._confirms = confirms
        self._as_json = as_json
        self._asked_on = actuator_topic(mqtt.prefix, name, "request")
        self._availability = actuator_topic(mqtt.prefix, name, "availability")
        self._told_on = actuator_topic(mqtt.prefix, name, "job", id=str(request["id"]))
        self._helper_on: dict[str, str] = {}
        self._present: bool | None = None  # None: nothing was ever said of it
        self._gone_since: float | None = None
        self._last: JobState | None = None
        self._cancelling = False
        self._failures = 0
        self._deadline = 0.0

    def follow(self, *, to_the_end: bool, queue: bool) -> str:
        """The state it ended in, or that it was accepted where to_the_end is false. queue: also send it to an actuator
        that is offline.

        Raises BrokerError when there is no broker, or when nobody answers; KeyboardInterrupt at the second Ctrl-C.
        """
        with self._subscriber() as subscriber:
            self._look(subscriber)
            if self._present is False and not queue:
                raise BrokerError(
                    f"the actuator {self._name!r} is offline: nothing was sent (start it, or send it all the same with "
                    "--queue)"
                )
            self._send(subscriber)
            try:
                return self._watch(subscriber, to_the_end=to_the_end)
            except KeyboardInterrupt:
                self._say(f"left; the job may go on (edged act {self._name} cancel {self._request['id']})")
                raise

    @contextlib.contextmanager
    def _subscriber(self) -> Iterator[Subscriber]:
        jobs = actuator_topic(self._mqtt.prefix, self._name, "job", id="+")
        with contextlib.ExitStack() as stack:
            try:
                subscriber = stack.enter_context(Subscriber(self._mqtt, [jobs, self._availability]))
            except BrokerError as error:
                if self._availability not in str(error):
                    raise
                # An access list may keep it from us, and the answers are enough.
                subscriber = stack.enter_context(Subscriber(self._mqtt, [jobs]))
            yield subscriber

    def _watch(self, subscriber: Subscriber, *, to_the_end: bool) -> str:
        while True:
            try:
                state = self._next(subscriber)
            except KeyboardInterrupt:
                if self._cancelling:
                    raise
                self._cancel(subscriber)
                continue
            if state is not None and (state.state in FINAL or not to_the_end):
                return state.state

    def _look(self, subscriber: Subscriber) -> None:
        """Is the actuator there at all?"""
        deadline = time.monotonic() + _RETAINED_SECONDS
        while self._present is None and (left := deadline - time.monotonic()) > 0:
            message = subscriber.receive(left)
            if message is not None:
                self._note_presence(message)

    def _send(self, subscriber: Subscriber) -> None:
        self._failures = subscriber.failures
        subscriber.publish(self._asked_on, encoded(self._request))
        self._deadline = time.monotonic() + _FIRST_ANSWER_SECONDS

    def _next(self, subscriber: Subscriber) -> JobState | None:
        """What is told of the job, if something is within a moment."""
        message = subscriber.receive(_TURN_SECONDS)
        if message is not None:
            return self._heard(subscriber, message)
        if subscriber.refusal:
            raise BrokerError(
                f"the broker does not let us publish on {self._asked_on}: {subscriber.refusal} (see its access list)"
            )
        if subscriber.connected and subscriber.failures != self._failures:
            # What was told meanwhile is lost to us; the same request again gets the answer it had.
            self._send(subscriber)
        now = time.monotonic()
        if self._gone_since is not None and now - self._gone_since > _GONE_SECONDS:
            raise BrokerError(
                f"the actuator {self._name!r} has been offline for {_GONE_SECONDS:.0f} s in the middle of the job; what "
                f"became of it is told when it is back (ask again with --id {self._request['id']})"
            )
        if now > self._deadline:
            raise BrokerError(self._silence(subscriber))
        return None

    def _heard(self, subscriber: Subscriber, message: Message) -> JobState | None:
        self._note_presence(message)
        if message.topic in self._helper_on:
            answer = _read(message)
            if answer is not None and answer.state == "rejected":
                self._say(f"{self._helper_on[message.topic]}: {_printable(answer.reason)}")
        if message.topic != self._told_on:
            return None
        state = _read(message)
        if state is None or state.refused_nonce not in (None, self._request["nonce"]):
            return None
        if state.refused_nonce is not None:
            # There is such a job, and it does something else: ours was not done.
            state = msgspec.structs.replace(state, state="rejected")
        if state != self._last:
            self._tell(state)
        self._last = state
        if state.waits_for_confirmation and self._confirms:
            self._confirms = False
            self._help(subscriber, "confirm")
        # A job that runs may take as long as its own timeout; one that waits ends when the request expires.
        left = max(self._life_seconds, state.remaining_seconds or 0.0) + _PATIENCE_SECONDS
        self._deadline = time.monotonic() + (86400.0 if state.state == "running" else left)
        if self._cancelling:
            self._deadline = min(self._deadline, time.monotonic() + _FIRST_ANSWER_SECONDS)
        return state

    def _note_presence(self, message: Message) -> None:
        if message.topic != self._availability or message.payload not in (b"online", b"offline"):
            return
        present = message.payload == b"online"
        if self._last is not None and not present and self._gone_since is None:
            self._say("the actuator has gone offline; waiting for it")
        self._gone_since = None if present else (self._gone_since or time.monotonic())
        self._present = present

    def _cancel(self, subscriber: Subscriber) -> None:
        self._cancelling = True
        self._say("cancelling; Ctrl-C again leaves at once")
        self._help(subscriber, "cancel")
        self._deadline = time.monotonic() + _FIRST_ANSWER_SECONDS

    def _help(self, subscriber: Subscriber, action: str) -> None:
        helper = make_request(
            self._name, action, now=time.time(), life_seconds=_FIRST_ANSWER_SECONDS,
            options={"job": self._request["id"]}, key=self._key,
        )  # fmt: skip
        self._helper_on[actuator_topic(self._mqtt.prefix, self._name, "job", id=helper["id"])] = action
        subscriber.publish(self._asked_on, encoded(helper))

    def _silence(self, subscriber: Subscriber) -> str:
        if not subscriber.connected:
            reason = f"the connection to the broker is lost ({subscriber.problem})"
        elif self._present is None:
            where = f"{self._mqtt.host}:{self._mqtt.port}"
            reason = (
                f"no actuator {self._name!r} has been seen on the broker at {where} (is the name right, does it run?)"
            )
        elif not self._present:
            reason = f"the actuator {self._name!r} is offline"
        else:
            reason = f"the actuator {self._name!r} is online and says nothing of the job"
        until = time.strftime("%H:%M:%S", time.localtime(self._request["expires_at"]))
        begun = self._last is not None
        return f"{reason}; {'the job goes on' if begun else f'the request is good until {until} and may still be done'}"

    def _tell(self, state: JobState) -> None:
        if self._as_json:
            self._print(msgspec.json.encode(state).decode())
            return
        if self._last is None:
            self._print(f"job {state.id}")
        reason = "" if state.reason == state.state else f": {_printable(state.reason)}"
        self._print(f"{state.state}{reason}")
        if state.state == "rejected" and self._key is None:
            self._say("no key was given (--key FILE, or signing.key_file in the settings)")

    @staticmethod
    def _print(line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            # Whoever read along (`| head -1`) has enough. The job's end is still told by the exit status.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    @staticmethod
    def _say(sentence: str) -> None:
        typer.echo(f"edged: {sentence}", err=True)
        sys.stderr.flush()


def _read(message: Message) -> JobState | None:
    """What is told; None for what anybody else wrote there."""
    try:
        return msgspec.json.decode(message.payload, type=JobState)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _printable(text: str) -> str:
    """Whoever may publish there must not steer the terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)

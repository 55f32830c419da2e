"""Twilio itself: the only file that imports its library."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import msgspec
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Gather, VoiceResponse

from edged.actuators.twilio.credentials import Credentials
from edged.actuators.twilio.meanings import meaning
from edged.actuators.twilio.transport import Transport
from edged.errors import TwilioBusy, TwilioRefused, TwilioUnclear

T = TypeVar("T")
# A list is read so far back; what is looked for is minutes old.
_LONGEST_LIST = 400
_PAGE = 200
# Nobody may keep an alert waiting for a day.
_LONGEST_PAUSE_SECONDS = 3600.0
# Twilio takes no more for `twiml` (https://www.twilio.com/docs/voice/api/call-resource).
LONGEST_TWIML = 4000
_ANSWER_SECONDS = 10
# What XML 1.0 has no place for (section 2.2); nobody would hear it either.
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


@dataclass(frozen=True)
class Found:
    """A message or a call as Twilio has it. created_at: Unix seconds by Twilio's clock. code: of an error, or 0."""

    sid: str
    status: str
    created_at: float | None = None
    code: int = 0
    body: str = ""
    outbound: bool = True


class TwilioClient:
    """Each method is one request or a few, blocks for as long as `Transport` does, and raises TwilioError.

    Safe for several threads.
    """

    def __init__(
        self, credentials: Credentials, transport: Transport, *, region: str = "", edge: str = "", api_url: str = ""
    ) -> None:
        """api_url: of a stand-in, in tests."""
        self._http = _Http(transport)
        self._client = Client(
            credentials.username,
            credentials.password,
            credentials.account,
            region=region or None,
            edge=edge or None,
            http_client=self._http,
        )
        if api_url:
            self._client.api.base_url = api_url

    @property
    def clock_ahead_seconds(self) -> float:
        """By how much Twilio's clock was ahead of ours when it answered last; 0 before."""
        return self._http.clock_ahead_seconds

    def send(
        self, to: str, sender: str, service_sid: str, body: str, content_sid: str, variables: Mapping[str, str]
    ) -> Found:
        """An SMS, or a WhatsApp message where the numbers say so. service_sid: sends instead of sender, if given."""
        fields: dict[str, Any] = {"messaging_service_sid": service_sid} if service_sid else {"from_": sender}
        if content_sid:
            fields["content_sid"] = content_sid
            if variables:
                fields["content_variables"] = msgspec.json.encode(dict(variables)).decode()
        else:
            fields["body"] = body
        return _asked(lambda: _message(self._client.messages.create(to, **fields)))

    def call(self, to: str, sender: str, twiml: str) -> Found:
        """A call that says what the TwiML says."""
        return _asked(lambda: _call(self._client.calls.create(to, sender, twiml=twiml)))

    def message(self, sid: str) -> Found:
        """How a message stands."""
        return _asked(lambda: _message(self._client.messages(sid).fetch()))

    def call_state(self, sid: str) -> Found:
        """How a call stands."""
        return _asked(lambda: _call(self._client.calls(sid).fetch()))

    def hang_up(self, sid: str) -> None:
        """End a call, whether it rings or is spoken."""
        _asked(lambda: self._client.calls(sid).update(status="completed"))

    def messages(self, to: str, sender: str) -> list[Found]:
        """The latest messages to a number, from a number if one is given."""
        # Without the filter for dates: it is about the day of sending, which a queued message does not have yet.
        chosen = {"from_": sender} if sender else {}
        listed = self._client.messages.list
        return _asked(
            lambda: [_message(each) for each in listed(to=to, limit=_LONGEST_LIST, page_size=_PAGE, **chosen)]
        )

    def calls(self, to: str, sender: str) -> list[Found]:
        """The latest calls between two numbers."""
        listed = self._client.calls.list
        return _asked(
            lambda: [_call(each) for each in listed(to=to, from_=sender, limit=_LONGEST_LIST, page_size=_PAGE)]
        )

    def account_status(self) -> str:
        """active, suspended or closed. Raises TwilioRefused when the credentials are not good."""
        if self._client.username != self._client.account_sid:  # an API key may not see the account itself
            _asked(lambda: self._client.messages.list(limit=1, page_size=1))
            return "active"
        return str(_asked(lambda: self._client.api.accounts(self._client.account_sid).fetch().status))


def signature_fits(token: str, url: str, params: Mapping[str, str], signature: str) -> bool:
    """Did Twilio, which alone has the token beside us, send this to this address?"""
    return bool(RequestValidator(token).validate(url, dict(params), signature))


@dataclass(frozen=True)
class Keypad:
    """url: where Twilio tells the key that was pressed. prompt: what is said after the text."""

    url: str
    prompt: str


def spoken(text: str, *, language: str, voice: str, times: int, keypad: Keypad | None = None) -> str:
    """TwiML that says a text so many times, and takes one key if there is a keypad."""
    document = VoiceResponse()
    speaker: VoiceResponse | Gather = document
    if keypad is not None:
        speaker = Gather(num_digits=1, action=keypad.url, method="POST", timeout=_ANSWER_SECONDS)
    for _ in range(times):
        _say(speaker, text, language, voice)
        if keypad is not None:
            _say(speaker, keypad.prompt, language, voice)
        speaker.pause(length=1)
    if keypad is not None:
        document.append(speaker)
    return str(document)


def _say(speaker: VoiceResponse | Gather, text: str, language: str, voice: str) -> None:
    speaker.say(_NOT_XML.sub(" ", text), language=language, voice=voice or None)


class _Http(HttpClient):  # type: ignore[misc] # it has no types
    """The library's door to the network."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        self._transport = transport
        self.clock_ahead_seconds = 0.0

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Raises TwilioError for all that is no 2xx."""
        answer = self._transport.exchange(method, uri, params, data, headers or {}, auth)
        found = {name.lower(): value for name, value in answer.headers.items()}
        with contextlib.suppress(TypeError, ValueError):
            self.clock_ahead_seconds = parsedate_to_datetime(found["date"]).timestamp() - time.time()
        if answer.status == 429:
            raise TwilioBusy("Twilio has too many requests (429)", retry_after_seconds(found.get("retry-after", "")))
        if 400 <= answer.status < 500:
            code = _code(answer.text)
            why = f"Twilio refuses ({', '.join(filter(None, [str(answer.status), meaning(code)]))})"
            raise TwilioRefused(why, answer.status, code)
        if not 200 <= answer.status < 300:
            raise TwilioUnclear(f"Twilio answered {answer.status}")
        return Response(answer.status, answer.text, dict(answer.headers))


def retry_after_seconds(given: str) -> float | None:
    """The header of that name: seconds, or a date (RFC 9110, section 10.2.3). None for what is neither."""
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return min(max(0.0, seconds), _LONGEST_PAUSE_SECONDS) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _asked(ask: Callable[[], T]) -> T:
    with _library_errors():
        return ask()


@contextlib.contextmanager
def _library_errors() -> Iterator[None]:
    """What the library makes of an answer that is not what Twilio sends: a page of a proxy, half a document."""
    try:
        yield
    except (TwilioException, ValueError, TypeError, KeyError, AttributeError):
        # `from None`: these quote the answer, which has numbers and texts in it.
        raise TwilioUnclear("the answer of Twilio makes no sense (a proxy in between?)") from None


def _message(each: Any) -> Found:
    return Found(
        _sid(each), str(each.status), _unix(each.date_created), int(each.error_code or 0), str(each.body or ""),
        str(each.direction or "outbound").startswith("outbound"),
    )  # fmt: skip


def _call(each: Any) -> Found:
    outbound = str(each.direction or "outbound").startswith("outbound")
    return Found(_sid(each), str(each.status), _unix(each.date_created), outbound=outbound)


def _sid(each: Any) -> str:
    if not each.sid or not each.status:
        raise ValueError("there is no sid")
    return str(each.sid)


def _unix(moment: Any) -> float | None:
    return None if moment is None else float(moment.timestamp())


def _code(text: str) -> int:
    try:
        found = msgspec.json.decode(text, type=dict[str, Any]).get("code")
    except msgspec.MsgspecError:
        return 0
    return found if isinstance(found, int) else 0

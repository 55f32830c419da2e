"""A stand-in for Twilio: its REST API over a real socket, with the faults of real networks.

Messages and calls are created, listed page by page and fetched; their statuses advance with time; the credentials are
checked. What the library asks for beyond that is answered with 404, as Twilio does.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import struct
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from xml.etree import ElementTree

from twilio.request_validator import RequestValidator

ACCOUNT = "AC" + "a1b2c3d4" * 4
TOKEN = "tok3n" + "0123456789abcdef" * 2
# What may happen to a request. Those that end in _done are carried out all the same.
Fault = Literal[
    "429", "500", "500_done", "hang", "hang_done", "late", "reset", "reset_done", "half_done", "garbage_done", "slow",
    "400", "401",
]  # fmt: skip
LOST: tuple[Fault, ...] = ("500_done", "hang_done", "reset_done", "half_done", "garbage_done")
NOT_DONE: tuple[Fault, ...] = ("429", "500", "hang", "reset")
_MESSAGE_STEPS = ("queued", "sending", "sent", "delivered")
_CALL_STEPS = ("queued", "ringing", "in-progress", "completed")
_PATH = re.compile(rf"/2010-04-01/Accounts/{ACCOUNT}(?:/(Messages|Calls)(?:/([A-Z]{{2}}[0-9a-f]{{32}}))?)?\.json")


@dataclass
class Thing:
    """A message or a call that Twilio took. Times are Unix seconds."""

    kind: Literal["Messages", "Calls"]
    sid: str
    to: str
    sender: str
    fields: dict[str, str]
    created_at: float
    ended_as: str = ""

    @property
    def body(self) -> str:
        return self.fields.get("Body", "")

    @property
    def twiml(self) -> str:
        return self.fields.get("Twiml", "")


@dataclass
class Reply:
    """What is answered."""

    status: int
    document: Any
    headers: dict[str, str] = field(default_factory=dict)


class StandIn:
    """Twilio, as far as edged knows it. Use it as a context manager.

    fault: asked for each request with method and kind of thing; None: all goes well. fates: by number, the status that
    a message or call ends with, and an error code. step_seconds: how long each status lasts. clock_ahead_seconds: of
    its clock.
    """

    def __init__(self, *, step_seconds: float = 0.05, token: str = TOKEN) -> None:
        self.things: list[Thing] = []
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Fault | None] = lambda _method, _kind: None
        self.fates: dict[str, tuple[str, int]] = {}
        self.step_seconds = step_seconds
        self.late_seconds = 1.0
        self.hang_seconds = 30.0
        self.retry_after = "1"
        self.slow_seconds = 0.2
        self.page_most = 50
        self.account_status = "active"
        self.clock_ahead_seconds = 0.0
        self.token = token
        self._lock = threading.Lock()
        self._under_way = 0
        self._ending = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def messages(self) -> list[Thing]:
        return [each for each in list(self.things) if each.kind == "Messages"]

    @property
    def calls(self) -> list[Thing]:
        return [each for each in list(self.things) if each.kind == "Calls"]

    def faults(self, *wanted: Fault | None, method: str = "POST") -> None:
        """These happen to the next requests of a method, one each; then all goes well."""
        waiting = list(wanted)

        def next_one(asked: str, _kind: str) -> Fault | None:
            return waiting.pop(0) if asked == method and waiting else None

        self.fault = next_one

    def posts(self) -> int:
        """How many creations were asked for, done or not."""
        return sum(method == "POST" for method, _ in list(self.requests))

    def rest(self) -> None:
        """Wait until no request is under way any more, not even one that nobody waits for."""
        while self._under_way and not self._ending.is_set():
            time.sleep(0.02)

    def serving(self, change: int) -> None:
        """A request comes or goes."""
        with self._lock:
            self._under_way += change

    def state(self, thing: Thing) -> tuple[str, int]:
        """Status and error code, now."""
        if thing.ended_as:
            return thing.ended_as, 0
        steps: tuple[str, ...] = _MESSAGE_STEPS if thing.kind == "Messages" else _CALL_STEPS
        fate, code = self.fates.get(thing.to.removeprefix("whatsapp:"), (steps[-1], 0))
        if fate in steps:
            steps = steps[: steps.index(fate) + 1]
        passed = max(0, int((time.time() - thing.created_at) / self.step_seconds))
        if passed < len(steps) - 1:
            return steps[passed], 0
        return fate, code

    def press(self, call: Thing, digit: str, port: int, *, token: str | None = None) -> tuple[int, str]:
        """The one who is called presses a key: what our callback answers. port: where it listens, behind no proxy."""
        action = _gather(call.twiml)
        params = {"CallSid": call.sid, "To": call.to, "Digits": digit, "AccountSid": ACCOUNT}
        signature = RequestValidator(self.token if token is None else token).compute_signature(action, params)
        local = f"http://127.0.0.1:{port}{urllib.parse.urlsplit(action).path}"
        request = urllib.request.Request(local, urllib.parse.urlencode(params).encode())
        request.add_header("X-Twilio-Signature", signature)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - our own server
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    # -- inside -------------------------------------------------------------------------------------------------

    def create(self, kind: Literal["Messages", "Calls"], form: dict[str, str]) -> Reply:
        to, sender = form.get("To", ""), form.get("From", form.get("MessagingServiceSid", ""))
        if not re.fullmatch(r"(whatsapp:)?\+[1-9]\d{6,14}", to):
            return _refused(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if not sender:
            return _refused(400, 21603, "A 'From' phone number is required.")
        if kind == "Messages" and not form.get("ContentSid") and not 0 < len(form.get("Body", "")) <= 1600:
            return _refused(400, 21617, f"The concatenated message body {form.get('Body')} is too long.")
        if kind == "Calls":
            ElementTree.fromstring(form["Twiml"])  # noqa: S314 - written by edged
        sid = ("SM" if kind == "Messages" else "CA") + secrets.token_hex(16)
        thing = Thing(kind, sid, to, sender, form, time.time())
        with self._lock:
            self.things.append(thing)
        return Reply(201, self.document(thing))

    def answer(self, method: str, path: str, form: dict[str, str], query: dict[str, str]) -> Reply:
        found = _PATH.fullmatch(path)
        if found is None:
            return _refused(404, 20404, f"The requested resource {path} was not found")
        kind, sid = found.groups()
        if kind is None:
            return Reply(200, {"sid": ACCOUNT, "status": self.account_status})
        if sid is None and method == "POST":
            return self.create("Messages" if kind == "Messages" else "Calls", form)
        if sid is None:
            return self._listed(kind, path, query)
        thing = next((each for each in self.things if each.sid == sid), None)
        if thing is None:
            return _refused(404, 20404, f"The requested resource {path} was not found")
        if method == "POST" and form.get("Status") in ("completed", "canceled"):
            thing.ended_as = form["Status"]
        return Reply(200, self.document(thing))

    def _listed(self, kind: str, path: str, query: dict[str, str]) -> Reply:
        chosen = [
            each
            for each in reversed(self.things)
            if each.kind == kind
            and query.get("To", each.to) == each.to
            and query.get("From", each.sender) == each.sender
        ]
        size = min(int(query.get("PageSize", "50")), self.page_most)
        page = int(query.get("Page", "0"))
        # As at Twilio, what is new meanwhile pushes what was listed onto the next page, where it is seen again.
        begin = max(0, page * size - 1)
        shown = chosen[begin : (page + 1) * size]
        more = {**query, "Page": str(page + 1)}
        following = f"{path}?{urllib.parse.urlencode(more)}" if (page + 1) * size < len(chosen) else None
        document = {kind.lower(): [self.document(each) for each in shown], "next_page_uri": following, "page": page}
        return Reply(200, document)

    def document(self, thing: Thing) -> dict[str, Any]:
        status, code = self.state(thing)
        created = formatdate(thing.created_at + self.clock_ahead_seconds, usegmt=True).replace("GMT", "+0000")
        common = {
            "sid": thing.sid, "account_sid": ACCOUNT, "to": thing.to, "from": thing.sender, "status": status,
            "direction": "outbound-api", "date_created": created, "date_updated": created,
        }  # fmt: skip
        if thing.kind == "Calls":
            return common
        words = f"Message to {thing.to} could not be delivered" if code else None
        return {**common, "body": thing.body, "error_code": code or None, "error_message": words, "date_sent": None}

    def wait(self, seconds: float) -> None:
        """As long as it takes, or until the stand-in ends."""
        self._ending.wait(seconds)

    def close(self) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever gives up in the middle is what all this is about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET", {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self._serve("POST", dict(urllib.parse.parse_qsl(body, keep_blank_values=True)))

    def log_message(self, *arguments: Any) -> None:
        """Nobody reads it."""

    def _serve(self, method: str, form: dict[str, str]) -> None:
        self.server.stand_in.serving(1)
        try:
            self._answer(method, form)
        finally:
            self.server.stand_in.serving(-1)

    def _answer(self, method: str, form: dict[str, str]) -> None:
        stand_in = self.server.stand_in
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        stand_in.requests.append((method, address.path))
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{stand_in.token}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self._send(_refused(401, 20003, f"Authentication Error for {ACCOUNT}"))
            return
        kind = "Calls" if "/Calls" in address.path else "Messages" if "/Messages" in address.path else "Account"
        fault = stand_in.fault(method, kind)
        if fault is None or fault.endswith("_done") or fault in ("slow", "late"):
            if fault == "late":
                stand_in.wait(stand_in.late_seconds)
            reply = stand_in.answer(method, address.path, form, query)
            if fault == "slow":
                stand_in.wait(stand_in.slow_seconds)
            if fault in (None, "slow", "late"):
                self._send(reply)
                return
        self._fail(str(fault).removesuffix("_done"))

    def _fail(self, how: str) -> None:
        stand_in = self.server.stand_in
        if how == "429":
            self._send(_refused(429, 20429, "Too Many Requests", {"Retry-After": stand_in.retry_after}))
        elif how == "500":
            self._send(_refused(500, 20500, "An internal server error has occurred"))
        elif how == "400":
            self._send(_refused(400, 21610, "Attempt to send to unsubscribed recipient +491709999999"))
        elif how == "401":
            self._send(_refused(401, 20003, "Authentication Error"))
        elif how == "garbage":
            self._bytes(201, b"<html>a proxy says hello</html>")
        elif how == "half":
            body = b'{"sid": "SM'
            self.send_response(201)
            self.send_header("Content-Length", "400")
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            self.close_connection = True
        elif how == "reset":
            # RST instead of FIN, as a machine does that has lost its power and come back.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            assert how == "hang"
            stand_in.wait(stand_in.hang_seconds)
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        self._bytes(reply.status, json.dumps(reply.document).encode(), reply.headers)

    def _bytes(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + self.server.stand_in.clock_ahead_seconds, usegmt=True)


def _refused(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"code": code, "message": message, "status": status}, headers or {})


def _gather(twiml: str) -> str:
    found = ElementTree.fromstring(twiml).find("Gather")  # noqa: S314 - written by edged
    assert found is not None, twiml
    return found.attrib["action"]

"""One HTTP request at a time, in bounded time: the only file that imports requests (and urllib3, which it is made of).

What must be known of a failure is whether the request can have arrived. So no connection is used twice, for one that the
other end has just closed fails like one that broke in the middle; nothing is repeated by the library; and a connection
that is given up takes what was not sent yet with it (SO_LINGER of zero, see socket(7)): else the kernel would go on
sending for minutes after a timeout, or after this process was killed.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from edged.errors import TwilioAway, TwilioUnclear

_LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
# Its debug and warning lines have the address in them, which has the account and telephone numbers in it.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)


class Answer(NamedTuple):
    """What came back. headers: names are found in any case."""

    status: int
    text: str
    headers: Mapping[str, str]


class _Adapter(HTTPAdapter):
    """Connections that leave nothing behind."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(
            *arguments, **options, socket_options=[*HTTPConnection.default_socket_options, _LINGER]
        )


class Transport:
    """Safe for several threads."""

    def __init__(self, timeout_seconds: float) -> None:
        """timeout_seconds: for connecting, and then for the whole answer."""
        self._timeout_seconds = timeout_seconds

    def exchange(
        self, method: str, url: str, params: Any, data: Any, headers: Mapping[str, str], auth: tuple[str, str] | None
    ) -> Answer:
        """Raises TwilioAway when nothing can have been sent, and TwilioUnclear when no whole answer came."""
        seconds = self._timeout_seconds
        try:
            with requests.Session() as session:
                for scheme in ("https://", "http://"):
                    session.mount(scheme, _Adapter(max_retries=0))
                with session.request(
                    method, url, params=params, data=data, headers={**headers, "Connection": "close"}, auth=auth,
                    timeout=(seconds, seconds), allow_redirects=False, stream=True,
                ) as response:  # fmt: skip
                    text = _read(response, time.monotonic() + seconds)
                    return Answer(response.status_code, text, dict(response.headers))
        except requests.exceptions.ConnectTimeout:
            problem = f"Twilio cannot be reached: no connection within {seconds:g} s"
        except requests.exceptions.SSLError:
            # It may have been in the middle, for all that is known.
            raise TwilioUnclear("TLS with Twilio failed (is the clock of this machine right?)") from None
        except requests.exceptions.Timeout:
            raise TwilioUnclear(f"Twilio gave no answer within {seconds:g} s") from None
        except requests.exceptions.ConnectionError as error:
            reason = getattr(error.args[0], "reason", None) if error.args else None
            if not isinstance(reason, _NOT_CONNECTED):
                raise TwilioUnclear("the connection to Twilio broke before the answer came") from None
            problem = "Twilio cannot be reached: there is no connection (network, name service, proxy?)"
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError):
            raise TwilioUnclear("the answer of Twilio was cut off") from None
        raise TwilioAway(problem)


def _read(response: requests.Response, until: float) -> str:
    """The body. A server that sends byte by byte does not keep us for longer than one that is silent."""
    body = bytearray()
    for chunk in response.iter_content(8192):
        body += chunk
        if time.monotonic() > until or len(body) > _LARGEST_ANSWER_BYTES:
            raise requests.exceptions.Timeout
    return body.decode("utf-8", "replace")

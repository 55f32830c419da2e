"""One file over HTTP, into a `.partial` file that a later attempt carries on from."""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edged import __version__

ATTEMPTS = 5
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 30.0
_BLOCK_BYTES = 1 << 16


class DownloadError(Exception):
    """A server or the line to it failed; the message is a sentence without passwords, cure says what to do."""

    def __init__(self, reason: str, cure: str) -> None:
        self.cure = cure
        super().__init__(reason)


@dataclass(frozen=True)
class Transfer:
    """A file's address, and the address whose user and password (`https://user:password@host/`) may be sent to it."""

    url: str
    credentials_of: str = ""


def public_url(url: str) -> str:
    """An address as it may be shown: without user and password."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        # What is no address at all may still hold a password.
        return url.rpartition("@")[2]
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def request(transfer: Transfer, headers: dict[str, str] | None = None) -> urllib.request.Request:
    """A request with our name and, for the same host only, the credentials. Raises DownloadError."""
    try:
        urllib.parse.urlsplit(transfer.url)
    except ValueError as error:
        reason = f"{public_url(transfer.url)} is not an address: {error}"
        raise DownloadError(reason, "check the address, it should look like https://host/path") from None
    made = urllib.request.Request(  # noqa: S310 - candidates() and pull() let only http(s) through
        public_url(transfer.url), headers={"User-Agent": f"edged/{__version__}", **(headers or {})}
    )
    for source in (transfer.url, transfer.credentials_of):
        parts = urllib.parse.urlsplit(source)
        if parts.username and parts.hostname == urllib.parse.urlsplit(transfer.url).hostname:
            pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            # Not sent on to another host after a redirect.
            made.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
            break
    return made


def fetch(
    transfer: Transfer,
    partial: Path,
    progress: Callable[[int, int | None], None],
) -> None:
    """Bring `partial` to its full size; a broken line is taken up again where it broke.

    Gives up after ATTEMPTS tries in a row that brought nothing. Raises DownloadError.
    """
    failures = 0
    while True:
        before = _size(partial)
        try:
            if _continue(transfer, partial, progress):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing beyond what is here: whole, or of another file
                error.close()
                if _whole(error.headers.get("Content-Range", ""), before):
                    return
                partial.unlink()
                reason = "what was here did not fit"
            elif error.code < 500 and error.code not in (408, 429):
                error.close()
                raise DownloadError(
                    f"{public_url(transfer.url)} answered {error.code} {error.reason}",
                    "check the address, or use another",
                ) from None
            else:
                error.close()
                reason = f"the server answered {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            reason = _plain(error)
        failures = 0 if _size(partial) > before else failures + 1
        if failures >= ATTEMPTS:
            raise DownloadError(
                f"{public_url(transfer.url)} could not be fetched: {reason}",
                f"ask again, {_size(partial)} bytes are kept and it goes on from there"
                if _size(partial)
                else "check the network, or use edged models pull --mirror FOLDER",
            )
        time.sleep(PAUSE_SECONDS * max(1, failures))


def _continue(transfer: Transfer, partial: Path, progress: Callable[[int, int | None], None]) -> bool:
    """One connection; True when the file is whole."""
    done = _size(partial)
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with urllib.request.urlopen(request(transfer, headers), timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - only http(s) gets here
        if response.status != 206:
            done = 0  # the server does not do parts: it sends all of it
        length = response.headers.get("Content-Length")
        total = done + int(length) if length is not None else None
        with partial.open("ab" if done else "wb") as file:
            progress(done, total)
            while block := response.read1(_BLOCK_BYTES):
                file.write(block)
                done += len(block)
                progress(done, total)
    return total is None or done >= total


def _whole(content_range: str, size: int) -> bool:
    """Does `bytes */1234` of a 416 answer say that our file is complete?"""
    return content_range.rpartition("/")[2] == str(size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _plain(error: BaseException) -> str:
    """The reason inside urllib's wrapping."""
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner or type(inner).__name__)

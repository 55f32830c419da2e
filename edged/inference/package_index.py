"""Asking a Python package index (simple API, PEP 503 in HTML or PEP 691 in JSON) which files a project has."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser

from edged.inference.http_download import TIMEOUT_SECONDS, DownloadError, Transfer, public_url, request

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_CURE = "check the network, ask another index with EDGED_MODELS_INDEX, or use edged models pull --mirror FOLDER"


@dataclass(frozen=True)
class Candidate:
    """A file that an index offers. sha256: lower-case hexadecimal, empty where the index does not say."""

    filename: str
    url: str
    sha256: str
    yanked: bool = False


def candidates(index: str, project: str) -> list[Candidate]:
    """All files of a project. Raises DownloadError."""
    url = f"{index.rstrip('/')}/{project}/"
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{public_url(index)} is not an http or https address", _CURE)
    try:
        with urllib.request.urlopen(  # noqa: S310 - http(s) only, see above
            request(Transfer(url), {"Accept": _ACCEPT}), timeout=TIMEOUT_SECONDS
        ) as response:
            kind = response.headers.get_content_type()
            text = response.read().decode("utf-8", "replace")
            base = response.geturl()
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{public_url(url)} answered {error.code} {error.reason}", _CURE) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{public_url(url)} cannot be reached: {reason}", _CURE) from None
    try:
        return _from_json(text, base) if kind.endswith("json") else _from_html(text, base)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DownloadError(f"{public_url(url)} did not answer as a package index", _CURE) from None


def _from_json(text: str, base: str) -> list[Candidate]:
    return [
        Candidate(
            file["filename"],
            urllib.parse.urljoin(base, file["url"]),
            str(file.get("hashes", {}).get("sha256", "")).lower(),
            bool(file.get("yanked", False)),
        )
        for file in json.loads(text)["files"]
    ]


def _from_html(text: str, base: str) -> list[Candidate]:
    page = _Links()
    page.feed(text)
    found = []
    for href, yanked in page.links:
        url, _, fragment = urllib.parse.urljoin(base, href).partition("#")
        sha256 = dict(urllib.parse.parse_qsl(fragment)).get("sha256", "")
        filename = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
        found.append(Candidate(filename, url, sha256.lower(), yanked))
    return found


class _Links(HTMLParser):
    """The `<a href>` of a page, in order, and whether each is yanked (PEP 592)."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a" and (href := attributes.get("href")):
            self.links.append((href, "data-yanked" in attributes))

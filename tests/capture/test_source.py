"""Which source an address means, and what of an address may be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.capture.opening import open_source
from edged.capture.source import kind_of, redact
from edged.errors import SourceUnsupported
from tests.capture.stand_ins import settings


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/dev/video0", "v4l2"),
        ("0", "v4l2"),
        ("/dev/v4l/by-id/usb-camera-index0", "v4l2"),
        ("clip.mp4", "file"),
        ("file:///tmp/clip.mkv", "file"),
        ("head.gif", "file"),
        ("C:weird-but-a-file.mp4", "file"),
        ("portrait.JPG", "images"),
        ("rtsp://camera/1", "stream"),
        ("srt://camera:99", "stream"),
        ("http://camera/video", "http"),
        ("HTTPS://camera/video", "http"),
        ("gstreamer:nvarguscamerasrc ! nvvidconv", "gstreamer"),
        ("picamera2:0", "picamera2"),
        ("sitter:", "sitter"),
        ("sitter:mine.toml", "sitter"),
    ],
)
def test_an_address_means_one_kind_of_source(address: str, kind: str) -> None:
    assert kind_of(address) == kind


def test_a_folder_means_its_pictures(tmp_path: Path) -> None:
    assert kind_of(str(tmp_path)) == "images"


def test_an_unknown_scheme_is_refused_with_what_there_is() -> None:
    with pytest.raises(SourceUnsupported, match=r"speaks gopher://.*rtsp://"):
        open_source(settings("gopher://user:secret@camera/1"))


@pytest.mark.parametrize("address", ["a" * 5000, "http://[camera/1", "https://me:hunter2@[camera"])
def test_what_cannot_be_an_address_is_refused_in_a_sentence(address: str) -> None:
    with pytest.raises(SourceUnsupported) as refused:
        open_source(settings(address))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.9:554/live", "rtsp://***@10.0.0.9:554/live"),
        ("rtsp://admin:p@ss:w@rd@cam/1", "rtsp://***@cam/1"),
        ("http://cam/video?user=me&password=hunter2&size=2", "http://cam/video?user=me&password=***&size=2"),
        ("http://cam/video?pwd=hunter2", "http://cam/video?pwd=***"),
        (
            "gstreamer:rtspsrc location=rtsp://me:hunter2@cam/1 ! decodebin",
            "gstreamer:rtspsrc location=rtsp://***@cam/1 ! decodebin",
        ),
        ("http://cam/a@b", "http://cam/a@b"),
        ("http://cam:80/a@b", "http://cam:80/a@b"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("rtsp://admin:hun/ter?2#@cam/1", "rtsp://***@cam/1"),
        ("http://cam/?loginuse=me&loginpas=hunter2", "http://cam/?loginuse=me&loginpas=***"),
        ("http://cam/?api-key=hunter2&size=2", "http://cam/?api-key=***&size=2"),
        (
            "gstreamer:rtspsrc location=rtsp://cam/1 user-id=me user-pw=hunter2 ! decodebin",
            "gstreamer:rtspsrc location=rtsp://cam/1 user-id=me user-pw=*** ! decodebin",
        ),
        ('gstreamer:srtsrc passphrase="hunter 2" ! decodebin', "gstreamer:srtsrc passphrase=*** ! decodebin"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_secrets_are_left_out_of_what_is_shown(address: str, shown: str) -> None:
    assert redact(address) == shown


@given(
    st.text(
        st.characters(codec="ascii", exclude_characters="/?# \t\r\n\x0b\x0c\x1c\x1d\x1e\x1f", min_codepoint=33),
        min_size=1,
    )
)
def test_no_password_survives(password: str) -> None:
    assert redact(f"rtsp://u:{password}@camera/live") == "rtsp://***@camera/live"

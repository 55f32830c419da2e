from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edged.actuators.table import build as build_performer
from edged.actuators.twilio.performer import TwilioPerformer
from edged.errors import SettingsError
from tests.actuators.stage import ROOT
from tests.actuators.twilio.conftest import Build
from tests.actuators.twilio.house import DAUGHTER, SETTINGS, credentials_file, settings


def wrong(folder: Path, old: str, new: str) -> str:
    assert old in SETTINGS
    with pytest.raises(SettingsError) as caught:
        settings(folder, text=SETTINGS.replace(old, new))
    return str(caught.value)


def test_the_settings_of_these_tests_are_good(tmp_path: Path) -> None:
    assert set(settings(tmp_path).model_dump()["twilio"]["recipients"]) == {"daughter", "son", "nurse"}


@pytest.mark.parametrize("number", ["0170 9998887", "+49 170 9998887", "004917099988"])
def test_a_number_that_is_none_is_named_by_its_place_and_not_shown(tmp_path: Path, number: str) -> None:
    said = wrong(tmp_path, DAUGHTER, number)
    assert "twilio.recipients.daughter" in said
    assert "E.164" in said
    assert number not in said


def test_a_chain_to_somebody_who_is_not_there_is_refused(tmp_path: Path) -> None:
    said = wrong(tmp_path, 'to = "son"', 'to = "sun"')
    assert "chains.fall, step 2: to = 'sun' is no recipient (there are: daughter, son, nurse)" in said


def test_a_chain_that_nothing_could_be_sent_for_is_refused(tmp_path: Path) -> None:
    said = wrong(tmp_path, 'whatsapp_from = "+4930901820123"', "")
    assert "chains.fall, step 3: a WhatsApp message needs whatsapp_from" in said


def test_a_template_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "twilio.templates.fall" in wrong(tmp_path, "{who} may", "{who.__class__!r} may")


@pytest.mark.parametrize("hours", ["22-7", "25:00-07:00"])
def test_hours_that_are_none_are_refused(tmp_path: Path, hours: str) -> None:
    said = wrong(tmp_path, "[twilio.recipients.son]", f'[twilio.recipients.son]\nquiet_hours = "{hours}"')
    assert "twilio.recipients.son" in said
    assert "22:00-07:00" in said


@pytest.mark.parametrize(
    "url", ["http://api.example.org", "https://127.0.0.1:1", "http://127.0.0.1", "http://10.0.0.1:80"]
)
def test_another_twilio_is_taken_on_this_machine_only(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="only for tests"):
        settings(tmp_path, {"twilio.api_url": url})


@pytest.mark.parametrize("url", ["http://home.example.org", "home.example.org", "https://home.example.org/?x=1"])
def test_a_callback_is_over_tls_only(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="Twilio calls it over TLS"):
        settings(tmp_path, {"twilio.callback.public_url": url})


def test_without_credentials_nothing_starts_and_the_cure_is_said(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWILIO_ACCOUNT_SID", raising=False)
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    text = SETTINGS.replace('credentials_file = "twilio.credentials"\n', "")
    with pytest.raises(SettingsError, match="there are no credentials"):
        build(text)
    assert build(text, dry_run=True).problems() == []


def test_a_callback_needs_the_token_that_twilio_signs_with(tmp_path: Path) -> None:
    loaded = settings(tmp_path, {"twilio.callback.public_url": "https://home.example.org"})
    (tmp_path / "twilio.credentials").write_text(
        f"TWILIO_ACCOUNT_SID=AC{'0' * 32}\nTWILIO_API_KEY=SK{'0' * 32}\nTWILIO_API_SECRET=x\n", encoding="ascii"
    )
    with pytest.raises(SettingsError, match="add TWILIO_AUTH_TOKEN"):
        TwilioPerformer(loaded)


def test_a_binding_whose_alert_would_expire_before_its_last_step_is_refused(build: Build) -> None:
    binding = '\n[[bindings]]\nname = "fall"\ntopic = "a/b"\naction = "alert"\ntext = "x"\noptions = {{ chain = "fall" }}\nexpires_seconds = {}\n'
    with pytest.raises(
        SettingsError, match=r"bindings\.fall\.expires_seconds = 3\.0: is too short: chain 'fall' takes up to 4 s"
    ):
        build(SETTINGS + binding.format(3))
    build(SETTINGS + binding.format(60))


def test_the_settings_on_the_page_are_good(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "twilio.md").read_text(encoding="utf-8")
    shown, callback = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    shown = shown.replace("/etc/edged/twilio.credentials", str(credentials_file(tmp_path)))
    performer = build_performer(settings(tmp_path, {"signing.required": False}, shown + callback))
    performer.close()


def test_a_library_that_is_missing_is_named_with_the_cure(tmp_path: Path) -> None:
    """In a Python that cannot find it, as where the extra was not installed."""
    settings(tmp_path)  # writes the files
    hide = "import sys; sys.modules['requests'] = None; from edged.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "actuator", "check", "alarm", "-c", str(tmp_path / "twilio.toml")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "needs the library requests (scripts/add twilio, in edged's folder)" in done.stderr
    assert "Traceback" not in done.stderr

"""TLS with certificates made on the spot."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.errors import BrokerError
from edged.settings import MqttSettings, TlsSettings
from tests.bus.conftest import MakeBus, settings_for
from tests.bus.listening import Listening, blink


class Certificates:
    """An authority, the broker's certificate for 127.0.0.1, and a client's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=edged test authority", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
        self.issue("server", "subjectAltName=IP:127.0.0.1")
        self.issue("client", "extendedKeyUsage=clientAuth")

    def issue(self, name: str, extension: str) -> None:
        (self.folder / f"{name}.ext").write_text(extension)
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip

    def path(self, name: str) -> Path:
        return self.folder / name

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (sudo apt-get install openssl)")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_broker(certificates: Certificates) -> Iterator[PrivateBroker]:
    """Wants TLS and a client certificate."""
    lines = [
        f"cafile {certificates.path('ca.pem')}",
        f"certfile {certificates.path('server.pem')}",
        f"keyfile {certificates.path('server.key')}",
        "require_certificate true",
    ]
    with PrivateBroker(lines=lines) as broker:
        yield broker


def settings(broker: PrivateBroker, certificates: Certificates, **more: Any) -> MqttSettings:
    files = {"ca_file": "ca.pem", "certificate_file": "client.pem", "key_file": "client.key", **more}
    paths = {name: None if file is None else certificates.path(file) for name, file in files.items()}
    return settings_for(broker.port, tls=TlsSettings(enabled=True, **paths))


def test_events_pass_with_client_certificate_in_bulk(
    tls_broker: PrivateBroker, certificates: Certificates, make_bus: MakeBus
) -> None:
    chosen = settings(tls_broker, certificates)
    with Subscriber(chosen, ["edged/#"]) as subscriber:
        listening = Listening(subscriber)
        bus = make_bus(chosen)
        for sequence in range(300):
            bus.event(blink(sequence), 1)
        bus.snapshot(b"x" * 500_000)
        listening.until(lambda: len(listening.sequences()) == 300 and bool(listening.on("snapshot/frame")))
        assert listening.sequences() == list(range(300))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"ca_file": None}, "not trusted"),
        ({"certificate_file": None, "key_file": None}, "client certificate|no TLS"),
        ({"ca_file": "missing.pem"}, "missing.pem is missing"),
        ({"key_file": "server.key"}, "TLS files cannot be used"),
        ({"ca_file": "client.ext"}, "TLS files cannot be used"),
    ],
)
def test_what_is_wrong_with_tls_is_one_sentence(
    tls_broker: PrivateBroker, certificates: Certificates, files: dict[str, str | None], words: str
) -> None:
    with pytest.raises(BrokerError, match=words):
        Subscriber(settings(tls_broker, certificates, **files), ["#"], patience_seconds=0).__enter__()


def test_tls_towards_a_broker_without_says_so(broker: PrivateBroker, certificates: Certificates) -> None:
    with pytest.raises(BrokerError, match="no TLS with the broker"):
        Subscriber(settings(broker, certificates), ["#"], patience_seconds=0).__enter__()


def test_a_certificate_that_is_mended_later_lets_us_in(
    tls_broker: PrivateBroker, certificates: Certificates, make_bus: MakeBus, tmp_path: Path
) -> None:
    authority = tmp_path / "ca.pem"
    chosen = settings(tls_broker, certificates).model_copy(
        update={"tls": settings(tls_broker, certificates).tls.model_copy(update={"ca_file": authority})}
    )
    bus = make_bus(chosen)
    deadline = time.monotonic() + 15
    while "ca.pem" not in bus.problem and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "ca.pem" in bus.problem
    shutil.copy(certificates.path("ca.pem"), authority)
    while not bus.connected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bus.connected


def test_no_tls_towards_a_broker_with_says_so(tls_broker: PrivateBroker) -> None:
    with pytest.raises(BrokerError, match="does it want TLS"):
        Subscriber(settings_for(tls_broker.port), ["#"], patience_seconds=0).__enter__()

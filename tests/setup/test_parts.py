"""Finding cameras by their lasting names, and reading what a person wrote as a broker."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.bus.private_broker import PrivateBroker
from edged.bus.subscriber import Subscriber
from edged.capture import v4l2_modes
from edged.errors import SourceUnavailable
from edged.settings import MqttSettings
from edged.setup.cameras import found
from edged.setup.interview import broker_of, moved
from edged.setup.trying import first_health
from edged.topics import camera_topic


def machine(root: Path, nodes: dict[str, str], links: dict[str, str]) -> Path:
    """A place with /dev: nodes by number with what they say they are, links with the node each leads to."""
    (root / "dev").mkdir()
    for node in nodes:
        (root / "dev" / node).write_text("")
    for link, node in links.items():
        path = root / "dev" / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(root / "dev" / node)
    return root


def asking(nodes: dict[str, str]) -> Callable[[str], v4l2_modes.Camera]:
    """What the kernel would say: `-` is a node for metadata, `!` one that may not be opened."""

    def ask(path: str) -> v4l2_modes.Camera:
        said = nodes[Path(path).name]
        if said == "-":
            raise SourceUnavailable(path, "this node sends no pictures")
        if said == "!":
            raise v4l2_modes.explain(path, errno.EACCES) from PermissionError(errno.EACCES, "Permission denied")
        return v4l2_modes.Camera(said, ())

    return ask


def addresses(root: Path, nodes: dict[str, str], links: dict[str, str]) -> list[str]:
    prefix = str(machine(root, nodes, links))
    return [camera.address.removeprefix(prefix) for camera in found(root, asking(nodes))]


def test_a_camera_is_named_by_its_serial_number_then_by_its_port(tmp_path: Path) -> None:
    nodes = {"video0": "C920", "video1": "-", "video2": "no number", "video10": "older system"}
    links = {
        "edged/port-usb-1.1": "video0",
        "edged/usb-C920_1234": "video0",
        "edged/port-usb-1.2": "video2",
        "v4l/by-path/usb-1.2": "video2",
        "v4l/by-path/usb-1.3": "video10",
        "v4l/by-id/usb-older": "video10",
    }
    assert addresses(tmp_path, nodes, links) == [
        "/dev/edged/usb-C920_1234",
        "/dev/edged/port-usb-1.2",
        "/dev/v4l/by-id/usb-older",
    ]


def test_without_udev_it_is_the_node_and_nodes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    assert addresses(tmp_path, {"video10": "b", "video2": "a"}, {}) == ["/dev/video2", "/dev/video10"]


def test_a_raspberry_pi_with_a_ribbon_camera_has_one_and_not_a_dozen(tmp_path: Path) -> None:
    nodes = {"video0": "unicam", "video1": "unicam", "video10": "bcm2835-codec-decode", "video13": "bcm2835-isp"}
    assert addresses(tmp_path, nodes, {}) == ["picamera2:0"]


def test_a_camera_that_may_not_be_opened_is_listed_with_the_reason(tmp_path: Path) -> None:
    machine(tmp_path, {"video0": "!"}, {})
    (camera,) = found(tmp_path, asking({"video0": "!"}))
    assert "this user may not use cameras" in str(camera)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("localhost", ("localhost", 1883)),
        (" broker.lan:8883 ", ("broker.lan", 8883)),
        ("192.0.2.7:1884", ("192.0.2.7", 1884)),
        ("::1", ("::1", 1883)),
        ("[::1]:1884", ("::1", 1884)),
    ],
)
def test_brokers_as_people_write_them(text: str, meant: tuple[str, int]) -> None:
    assert broker_of(text, 1883) == meant


@pytest.mark.parametrize(
    "text", ["", "a b", "host:", "host:0", "host:65536", "host:x", "mqtt://host", "[::1", "a:b:c", "-x"]
)
def test_what_is_no_broker_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (broker|port)"):
        broker_of(text, 1883)


def test_another_port_of_the_same_host_keeps_the_user_and_drops_what_tls_was() -> None:
    before = MqttSettings.model_validate({"host": "a", "port": 8883, "username": "me", "tls": {"enabled": True}})
    after = moved(before, "a", 1883)
    assert (after.username, after.tls.enabled) == ("me", False)


def test_what_a_daemon_says_after_its_start(broker: PrivateBroker) -> None:
    mqtt = MqttSettings(host=broker.host, port=broker.port)
    topic = camera_topic(mqtt.prefix, "front", "health")
    with Subscriber(mqtt, [topic]) as daemon:

        def say() -> None:
            # Until it is heard: the other side may still be subscribing.
            while not heard.wait(0.2):
                daemon.publish(topic, b'{"status": "starting", "reasons": ["no picture yet"]}')
                daemon.publish(topic, b'{"status": "ok", "reasons": [], "frames_per_second": 14.84}')

        heard = threading.Event()
        speaker = threading.Thread(target=say)
        speaker.start()
        try:
            assert first_health(mqtt, "front", 30.0) == "14.8 pictures a second"
        finally:
            heard.set()
            speaker.join()


def test_a_daemon_that_does_not_get_well_is_quoted_and_one_that_says_nothing_is_not(broker: PrivateBroker) -> None:
    mqtt = MqttSettings(host=broker.host, port=broker.port)
    topic = camera_topic(mqtt.prefix, "front", "health")
    with Subscriber(mqtt, [topic]) as daemon:
        # Retained by the daemon before this one: it must not count.
        daemon.publish(topic, b'{"status": "ok", "reasons": [], "frames_per_second": 9}', retain=True)
        assert daemon.receive(10.0) is not None
        assert first_health(mqtt, "front", 0.5) == ""
        heard = threading.Event()

        def say() -> None:
            while not heard.wait(0.1):
                daemon.publish(topic, b'{"status": "no_camera", "reasons": ["it is not there"]}')

        speaker = threading.Thread(target=say)
        speaker.start()
        try:
            assert first_health(mqtt, "front", 3.0) == "no_camera: it is not there"
        finally:
            heard.set()
            speaker.join()

"""`edged run`: the daemon of one camera."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from edged import logs
from edged.cli.options import BrokerHost, BrokerPort, ConfigFile, Set, overrides
from edged.configuration import loading as configuration
from edged.daemon.daemon import Daemon
from edged.settings import Settings


def run(
    config: ConfigFile = None,
    camera: Annotated[
        Optional[str], typer.Option(metavar="NAME", help="Name of this camera in topics and logs.")
    ] = None,
    source: Annotated[
        Optional[str],
        typer.Option(metavar="URI", help="Where pictures come from: /dev/video0, clip.mp4, rtsp://…, sitter:"),
    ] = None,
    mqtt_host: BrokerHost = None,
    mqtt_port: BrokerPort = None,
    set_: Set = None,
) -> None:
    """Watch a camera and publish what happens over MQTT.

    Runs until SIGTERM, Ctrl-C or the end of a file that is not looped. An absent camera or broker is no
    reason to end: both are tried again, for ever, and health says so. The command `restart` reads the
    settings anew.
    """
    chosen = {"camera": camera, "capture.source": source, "mqtt.host": mqtt_host, "mqtt.port": mqtt_port}
    wanted = {name: value for name, value in chosen.items() if value is not None} | overrides(set_)

    def load() -> Settings:
        return configuration.load(config, wanted)

    settings = load()
    logs.set_up(settings.log, settings.camera, secrets=logs.secrets_of(settings))
    status = Daemon(settings, reload=load).run()
    if status:
        raise typer.Exit(status)

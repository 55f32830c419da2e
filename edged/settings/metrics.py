"""Figures for Prometheus over HTTP."""

from __future__ import annotations

import ipaddress

from pydantic import field_validator

from edged.settings.base import Section, option

# Below what systems hand out by themselves, and nobody's by name; actuators have the next ones, see their kinds.
CAMERA_PORT = 17710


class MetricsSettings(Section):
    """Figures and health over HTTP: /metrics for Prometheus, /health for everybody else."""

    enabled: bool = option(True, "Answer /metrics and /health.")
    address: str = option(
        "127.0.0.1",
        "IP address to listen on. Any other than a loopback one lets everybody who reaches it read, without a password.",
    )
    port: int = option(
        CAMERA_PORT,
        "Port to listen on. Each further camera on one machine needs one of its own; 0 takes any, which the log says.",
        ge=0,
        le=65535,
    )

    @field_validator("address")
    @classmethod
    def _is_an_address(cls, address: str) -> str:
        try:
            return str(ipaddress.ip_address("127.0.0.1" if address == "localhost" else address))
        except ValueError:
            raise ValueError("must be an IP address, such as 127.0.0.1, ::1 or 0.0.0.0") from None

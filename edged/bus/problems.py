"""Why there is no connection, in plain sentences with a cure and without secrets."""

from __future__ import annotations

import socket
import ssl

from edged.settings import MqttSettings

# By the names MQTT 5 gives its reason codes.
_REFUSALS = {
    "Bad user name or password": "refuses the user name or the password (check mqtt.username and mqtt.password_file)",
    "Not authorized": "does not let us in: not authorised (check mqtt.username and mqtt.password_file)",
    "Banned": "has banned this client",
    "Client identifier not valid": "does not accept our client id (set mqtt.client_id)",
    "Unsupported protocol version": "does not speak MQTT 5 (mosquitto does since 1.6)",
    "Server unavailable": "is not available at the moment",
    "Server busy": "is too busy at the moment",
    "Session taken over": "closed the connection: another client uses our client id (give each its own mqtt.client_id)",
    "Server shutting down": "is shutting down",
}


def refusal(where: str, reason: str) -> str:
    """The broker at `where` (host:port) said no; reason: the name MQTT 5 gives it."""
    return f"the broker at {where} " + _REFUSALS.get(reason, f"refuses us: {reason.lower()}")


def connect_problem(settings: MqttSettings, error: OSError | ValueError) -> str:
    """Not even a connection: name look-up, TCP or TLS failed."""
    where = f"{settings.host}:{settings.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the broker at {where} is not trusted: {error.verify_message} (set mqtt.tls.ca_file)"
    if isinstance(error, ssl.SSLError) or (settings.tls.enabled and isinstance(error, ConnectionResetError)):
        reason = str(getattr(error, "reason", None) or error.strerror or error).lower().replace("_", " ")
        return f"no TLS with the broker at {where}: {reason} (is this its TLS port, does it ask for a certificate?)"
    if isinstance(error, ConnectionRefusedError):
        return f"no broker answers at {where} (is mosquitto running? set mqtt.host and mqtt.port)"
    if isinstance(error, socket.gaierror):
        return f"the broker's name {settings.host} cannot be resolved (set mqtt.host)"
    if isinstance(error, TimeoutError):
        return f"the broker at {where} does not answer"
    if isinstance(error, OSError):
        return f"the broker at {where} cannot be reached: {error.strerror or error}"
    return f"the broker's address {where} cannot be used: {error}"

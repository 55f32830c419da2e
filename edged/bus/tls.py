"""The TLS side of a connection: authority, client certificate, and sentences for what is wrong with them."""

from __future__ import annotations

import os
import ssl
from typing import Any

from edged.errors import BrokerError
from edged.settings import TlsSettings


class TlsContext(ssl.SSLContext):
    """Checks certificate and name, and remembers the socket it wrapped: paho forgets it when the handshake fails."""

    _wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        self._wrapped = super().wrap_socket(*arguments, **options)
        return self._wrapped

    def drop(self) -> None:
        """Close what was wrapped last."""
        if self._wrapped is not None:
            self._wrapped.close()


def tls_context(settings: TlsSettings) -> TlsContext:
    """What the settings ask for. Raises BrokerError that names the file."""
    for path in (settings.ca_file, settings.certificate_file, settings.key_file):
        if path is not None and not os.access(path, os.R_OK):
            raise BrokerError(f"the TLS file {path} is missing or not readable for this user")
    try:
        context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
        if settings.ca_file is not None:
            context.load_verify_locations(settings.ca_file)
        else:
            context.load_default_certs()
        if settings.certificate_file is not None:
            # An empty passphrase: OpenSSL would else ask for one on the terminal, and wait.
            context.load_cert_chain(settings.certificate_file, settings.key_file, password="")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror or "unknown format"
        raise BrokerError(
            f"the TLS files cannot be used: {reason} (mqtt.tls.* must be PEM files, the key without a passphrase)"
        ) from None
    return context

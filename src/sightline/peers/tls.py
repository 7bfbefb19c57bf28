"""TLS for DICOM, both ways, as PS3.15 B.12 asks: version 1.2 or newer, no anonymous peers."""

import ssl
from pathlib import Path

from sightline.errors import BadSettings
from sightline.settings import Settings

_HINT = "Give PEM files: tls_certificate with tls_key, and tls_ca with whom we trust."


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return what the listener speaks TLS with; None where the site has given no certificate.

    With `tls_ca` a caller must show a certificate that one of these signed.

    Raises:
        BadSettings: A file cannot be used.
    """
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show_ourselves(context, settings)
    if settings.tls_ca is not None:
        _trust(context, settings.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_tls(settings: Settings) -> ssl.SSLContext:
    """Return what we call peers with that want TLS; peers that we cannot verify are refused.

    With `tls_certificate` we show it to whoever asks.

    Raises:
        BadSettings: A file cannot be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls_ca is not None:
        _trust(context, settings.tls_ca)
    if settings.tls_certificate is not None:
        _show_ourselves(context, settings)
    return context


def _show_ourselves(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.tls_certificate is not None  # noqa: S101 - the callers have asked
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:  # an SSLError is one
        raise BadSettings(
            f"settings 'tls_certificate' and 'tls_key' cannot be used: {error}", hint=_HINT
        ) from error


def _trust(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        raise BadSettings(f"setting 'tls_ca' cannot be used: {error}", hint=_HINT) from error

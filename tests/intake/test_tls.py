"""TLS and mutual TLS against DCMTK's tools and our own sender; nothing passes in the clear."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import INSTANCE
from sightline.errors import BadSettings, PeerFailed
from sightline.intake.dimse import Listener
from sightline.peers.dimse import Destination, echo, parse_destination, send
from sightline.peers.tls import client_tls, server_tls
from sightline.settings import Settings
from tests.certificates import Authority, Identity
from tests.counterparties import HOST, dcmtk, end, free_port, listens, start_dcmtk, wait_until
from tests.instances import write_series


def secured(settings: Settings, identity: Identity | None, ca: Path | None) -> Settings:
    files = {"tls_ca": ca}
    if identity is not None:
        files |= {"tls_certificate": identity.certificate, "tls_key": identity.key}
    return settings.model_copy(update=files)


@contextlib.contextmanager
def listening(archive: Archive, settings: Settings) -> Iterator[int]:
    listener = Listener(archive, settings)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop()


@pytest.fixture
def mutual(archive: Archive, settings: Settings, authority: Authority) -> Iterator[int]:
    """Give the port of a listener that wants a certificate of whoever calls."""
    with listening(archive, secured(settings, authority.server, authority.ca)) as port:
        yield port


def count(archive: Archive) -> int:
    with archive.database.read() as connection:
        return connection.execute(select(func.count()).select_from(INSTANCE)).scalar_one()


def dcmtk_options(identity: Identity, authority: Authority) -> tuple[object, ...]:
    return ("+tls", identity.key, identity.certificate, "+cf", authority.ca)


def test_dcmtk_stores_by_mutual_tls(
    mutual: int, archive: Archive, authority: Authority, tmp_path: Path
) -> None:
    write_series(tmp_path / "series", 3, size=512)
    options = dcmtk_options(authority.client, authority)
    assert dcmtk("echoscu", *options, HOST, mutual).returncode == 0
    done = dcmtk("storescu", *options, "+sd", HOST, mutual, tmp_path / "series")
    assert done.returncode == 0, done.stderr
    assert count(archive) == 3


def test_dcmtk_without_a_certificate_echoes_where_none_is_asked(
    archive: Archive, settings: Settings, authority: Authority
) -> None:
    with listening(archive, secured(settings, authority.server, None)) as port:
        assert dcmtk("echoscu", "+tla", "+cf", authority.ca, HOST, port).returncode == 0


def test_whoever_shows_no_known_certificate_is_refused(mutual: int, authority: Authority) -> None:
    assert dcmtk("echoscu", "+tla", "+cf", authority.ca, HOST, mutual).returncode != 0
    stranger = dcmtk_options(authority.stranger, authority)
    assert dcmtk("echoscu", *stranger, HOST, mutual).returncode != 0
    assert dcmtk("echoscu", HOST, mutual).returncode != 0  # in the clear


def test_our_sender_stores_by_mutual_tls(
    mutual: int, archive: Archive, settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    tls = client_tls(secured(settings, authority.client, authority.ca))
    peer = parse_destination(f"SIGHTLINE@{HOST}:{mutual}/tls", tls=tls)
    assert str(peer) == f"SIGHTLINE@{HOST}:{mutual}/tls"
    send(peer, write_series(tmp_path / "series", 3, size=512), calling_ae="TEST")
    assert count(archive) == 3


def test_our_sender_stores_at_dcmtk_by_tls(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    port = free_port()
    options = dcmtk_options(authority.server, authority)
    process = start_dcmtk("storescp", *options, "--ignore", port)
    try:
        wait_until(lambda: listens(port))
        tls = client_tls(secured(settings, authority.client, authority.ca))
        peer = parse_destination(f"ANY@{HOST}:{port}/tls", tls=tls)
        files = write_series(tmp_path / "series", 2)
        assert send(peer, files, calling_ae="TEST").instances == 2
    finally:
        end(process)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_peer_that_we_cannot_verify_is_not_spoken_to(
    mutual: int, settings: Settings, authority: Authority, *, trusted: bool
) -> None:
    ca = authority.ca if trusted else authority.stranger.certificate
    tls = client_tls(secured(settings, authority.client, ca))
    peer = Destination(ae_title="SIGHTLINE", host=HOST, port=mutual, tls=tls)
    if trusted:
        echo(peer, calling_ae="TEST")
    else:
        with pytest.raises(PeerFailed, match="cannot be reached"):
            echo(peer, calling_ae="TEST")


def test_half_handshakes_keep_nobody_waiting(
    mutual: int, settings: Settings, authority: Authority
) -> None:
    tls = client_tls(secured(settings, authority.client, authority.ca))
    peer = Destination(ae_title="SIGHTLINE", host=HOST, port=mutual, tls=tls)
    with contextlib.ExitStack() as sockets:
        for number in range(60):
            half = sockets.enter_context(socket.create_connection((HOST, mutual)))
            # A TLS record of a ClientHello that claims 512 bytes and brings a few, or nothing.
            half.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])
        started = time.monotonic()
        echo(peer, calling_ae="TEST")
        assert time.monotonic() - started <= 2.0


def test_files_that_are_no_certificates_are_said_so(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    no = Identity(certificate=tmp_path / "no.pem", key=tmp_path / "no.pem")
    with pytest.raises(BadSettings, match="tls_certificate"):
        server_tls(secured(settings, no, None))
    with pytest.raises(BadSettings, match="tls_ca"):
        server_tls(secured(settings, authority.server, tmp_path / "missing.pem"))
    assert server_tls(settings) is None

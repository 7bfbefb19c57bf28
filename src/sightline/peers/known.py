"""Peers that the site has named: a table in the settings, name -> `AETITLE@host:port`."""

from sightline.errors import UnknownName
from sightline.peers.dimse import Destination, parse_destination
from sightline.peers.tls import client_tls
from sightline.settings import Settings


def peer_named(name: str, settings: Settings) -> Destination:
    """Return a named peer; `name` may also be a destination itself, `AETITLE@host:port`.

    Raises:
        BadSettings: A certificate cannot be used.
        PeerFailed: What the name stands for is no destination.
        UnknownName: The site has named no such peer.
    """
    if "@" in name:
        return _destination(name, settings)
    if name not in settings.peers:
        raise UnknownName(
            f"no peer is called {name!r} (known: {', '.join(sorted(settings.peers)) or 'none'})",
            hint="Name it in the setting `peers`, or write AETITLE@host:port.",
        )
    return _destination(settings.peers[name], settings)


def peer_titled(title: str, settings: Settings) -> Destination | None:
    """Return the named peer that has an application entity title; None where there is none.

    A PACS may send under another title than the one it is asked under: then the name of the peer
    in the settings is the title it sends under.

    Raises:
        BadSettings: A certificate cannot be used.
        PeerFailed: What a name stands for is no destination.
    """
    if title in settings.peers:
        return _destination(settings.peers[title], settings)
    texts = settings.peers.values()
    found = next((text for text in texts if parse_destination(text).ae_title == title), None)
    return None if found is None else _destination(found, settings)


def _destination(text: str, settings: Settings) -> Destination:
    tls = client_tls(settings) if text.endswith("/tls") else None
    return parse_destination(text, tls=tls)

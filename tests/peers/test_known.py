"""Peers by name."""

import pytest

from sightline.errors import PeerFailed, UnknownName
from sightline.peers.dimse import Destination
from sightline.peers.known import peer_named, peer_titled
from sightline.settings import Settings

PEERS: dict[str, str] = {"main": "PACS@pacs.example:104", "SENDS_AS": "ASKED_AS@old.example:11112"}

SITE = Settings.load(peers=PEERS)


def test_a_name_or_a_destination() -> None:
    pacs = Destination(ae_title="PACS", host="pacs.example", port=104)
    assert peer_named("main", SITE) == pacs
    assert peer_named("OTHER@h:1", SITE) == Destination(ae_title="OTHER", host="h", port=1)
    with pytest.raises(UnknownName, match=r"'pacs' \(known: SENDS_AS, main\)") as unknown:
        peer_named("pacs", SITE)
    assert "peers" in unknown.value.hint
    with pytest.raises(PeerFailed, match="names no destination"):
        peer_named("bad", Settings.load(peers={"bad": "nonsense"}))


def test_a_sender_is_known_by_its_title_or_by_the_name_it_was_given() -> None:
    assert peer_titled("PACS", SITE) == peer_named("main", SITE)
    assert peer_titled("SENDS_AS", SITE) == peer_named("SENDS_AS", SITE)
    assert peer_titled("SCANNER", SITE) is None
    assert peer_titled("PACS", Settings.load()) is None


def test_a_child_process_reads_the_same_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings.load(peers=PEERS).as_environment()
    monkeypatch.setenv("SIGHTLINE_PEERS", given["SIGHTLINE_PEERS"])
    assert Settings.load().peers == PEERS

"""Who may associate: titles, addresses and how many, with the codes of the standard."""

import contextlib
from collections.abc import Iterator

import pytest

from sightline.archive.archive import Archive
from sightline.errors import BadSettings
from sightline.intake.admission import Admission
from sightline.intake.dimse import Listener
from sightline.settings import Settings
from tests.counterparties import HOST, dcmtk
from tests.intake.raw_dicom import associated


@contextlib.contextmanager
def listening(archive: Archive, settings: Settings, **changes: object) -> Iterator[int]:
    listener = Listener(archive, settings.model_copy(update=changes))
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop()


def test_another_called_title_is_rejected_where_the_site_asks_for_it(
    archive: Archive, settings: Settings
) -> None:
    with listening(archive, settings, check_called_ae=True) as port:
        assert dcmtk("echoscu", "-aec", "SIGHTLINE", HOST, port).returncode == 0
        refused = dcmtk("echoscu", "-aec", "SOMEBODY", HOST, port)
    assert "Called AE Title Not Recognized" in refused.stderr
    assert "Rejected Permanent" in refused.stderr


def test_only_the_callers_that_are_listed_may(archive: Archive, settings: Settings) -> None:
    with listening(archive, settings, allowed_calling_aes="CT_1, MR 2") as port:
        for title in ("CT_1", "MR 2"):
            assert dcmtk("echoscu", "-aet", title, HOST, port).returncode == 0
        refused = dcmtk("echoscu", "-aet", "CT_3", HOST, port)
    assert "Calling AE Title Not Recognized" in refused.stderr


@pytest.mark.parametrize(
    ("allowed", "status"), [("127.0.0.1", 0), ("10.0.0.0/8, 127.0.0.0/8", 0), ("10.0.0.1", 1)]
)
def test_only_the_addresses_that_are_listed_may(
    archive: Archive, settings: Settings, allowed: str, status: int
) -> None:
    with listening(archive, settings, allowed_addresses=allowed) as port:
        assert bool(dcmtk("echoscu", HOST, port).returncode) == bool(status)


def test_one_address_cannot_take_every_place(archive: Archive, settings: Settings) -> None:
    rule = {"max_associations_per_address": 2}
    with listening(archive, settings, **rule) as port, associated(port), associated(port):
        refused = dcmtk("echoscu", HOST, port)
    assert "Local Limit Exceeded" in refused.stderr
    assert "Rejected Transient" in refused.stderr


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.0", False),
        ("fe80::1%eth0", True),
        ("fe81::1", False),
    ],
)
def test_addresses_of_both_kinds(settings: Settings, address: str, *, is_in: bool) -> None:
    allowed = "10.1.0.0/16, fe80::/16"
    rules = Admission.of(settings.model_copy(update={"allowed_addresses": allowed}))
    assert rules.lets_in(address) == is_in


def test_what_is_no_network_is_said_so(archive: Archive, settings: Settings) -> None:
    wrong = settings.model_copy(update={"allowed_addresses": "10.0.0.1, hospital"})
    with pytest.raises(BadSettings, match="'hospital' is no address"):
        Listener(archive, wrong)

"""DCMTK's small archive as a second PACS."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.peers.dimse import Destination
from tests.counterparties import HOST, end, free_port, listens, start_dcmtk, wait_until

_CONFIG = """\
NetworkTCPPort  = {port}
MaxPDUSize      = 131072
MaxAssociations = 16
HostTable BEGIN
{hosts}
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
DCMQRSCP {storage} RW (1000, 1024mb) ANY
AETable END
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dcmqrscp:
    """A running dcmqrscp; `receiver_port` is where C-MOVE to RECEIVER goes."""

    port: int
    receiver_port: int

    @property
    def destination(self) -> Destination:
        return Destination(ae_title="DCMQRSCP", host=HOST, port=self.port)


@pytest.fixture
def dcmqrscp(tmp_path: Path) -> Iterator[Dcmqrscp]:
    """Give a running dcmqrscp that holds nothing and knows the title RECEIVER."""
    running = Dcmqrscp(port=free_port(), receiver_port=free_port())
    storage = tmp_path / "dcmqrscp"
    storage.mkdir()
    text = _CONFIG.format(
        port=running.port,
        storage=storage,
        hosts=f"receiver = (RECEIVER, {HOST}, {running.receiver_port})",
    )
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(text)
    process = start_dcmtk("dcmqrscp", "-c", config)
    try:
        wait_until(lambda: listens(running.port))
        yield running
    finally:
        end(process)

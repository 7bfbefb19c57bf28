"""Many work with a hub, or one gives it new names."""

import subprocess
import sys
from pathlib import Path

import pytest

from sightline.errors import Refused
from sightline.hub.hub import ROTATING_FILE, Hub
from sightline.hub.lease import Lease
from sightline.settings import Settings


def test_many_share_a_hub_and_one_alone_has_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    one, two = Hub.open(settings), Hub.open(settings)
    one.close()
    with pytest.raises(Refused, match="at work") as caught:
        Lease.alone(settings.hub_dir)
    assert "sightline up" in caught.value.hint
    two.close()
    two.close()
    alone = Lease.alone(settings.hub_dir)
    for opening in (Hub.open, lambda _: Lease.alone(settings.hub_dir)):
        with pytest.raises(Refused):
            opening(settings)
    alone.end()
    Hub.open(settings).close()


def test_a_lease_ends_with_its_process(tmp_path: Path) -> None:
    code = "from sightline.hub.lease import Lease; from pathlib import Path; import os;"
    code += f"lease = Lease.alone(Path({str(tmp_path)!r})); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    Lease.alone(tmp_path).end()


def test_a_hub_that_is_forgotten_is_let_go(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    Hub.open(settings).database.close()
    alone = Lease.alone(settings.hub_dir)
    with pytest.raises(Refused):
        Hub.open(settings)
    alone.end()


def test_a_hub_between_two_keys_is_not_opened(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    Hub.open(settings).close()
    (settings.hub_dir / ROTATING_FILE).write_text("{}")
    with pytest.raises(Refused, match="between two keys") as caught:
        Hub.open(settings)
    assert "sightline vault rotate" in caught.value.hint
    Lease.alone(settings.hub_dir).end()

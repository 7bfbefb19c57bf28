"""A hub for what judges readers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.hub.hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    opened = Hub.at(tmp_path / "hub")
    yield opened
    opened.close()

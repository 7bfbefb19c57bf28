"""A hub on each engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.hub.hub import Hub


@pytest.fixture
def hub(tmp_path: Path, catalog_url: str) -> Iterator[Hub]:
    opened = Hub.at(tmp_path / "hub", catalog_url=catalog_url)
    yield opened
    opened.close()

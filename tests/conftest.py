"""Fixtures that more than one room's tests use."""

import os
from pathlib import Path

import pytest

pytest_plugins = [
    "tests.counterparties",
    "tests.certificates",
    "tests.hubs",
    "tests.postgresql",
    "tests.backends",
    "tests.failing_disk",
]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Give the folder of real data, or skip with the reason."""
    folder = os.environ.get("SIGHTLINE_TEST_DATA")
    if not folder:
        pytest.skip("real data: SIGHTLINE_TEST_DATA is not set")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"SIGHTLINE_TEST_DATA names no folder: {path}")
    return path

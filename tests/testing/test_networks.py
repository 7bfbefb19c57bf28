"""Every registered network passes the suite that outsiders get."""

from typing import Any

import pytest

from sightline.networks.contract import NETWORKS, Network
from sightline.testing.networks import NetworkConformance

SMALLER: dict[str, dict[str, Any]] = {
    "densenet121": {"block_config": [1, 2, 1, 1], "growth_rate": 8},
    "residual_unet": {"blocks": [1, 2]},
    "resnet": {"depth": 10, "widen_factor": 0.25},
    "segresnet": {"blocks_down": [1, 1, 2]},
    "swin_unetr": {"depths": [1, 1, 1, 1]},
}


@pytest.fixture(scope="class", params=NETWORKS.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEveryNetwork(NetworkConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def candidate(cls, name: str) -> Network:
        return NETWORKS.get(name)

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, name: str) -> dict[str, Any]:
        return SMALLER.get(name, {})

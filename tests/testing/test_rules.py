"""Every registered rule passes the suite that outsiders get, on the attributes that name it."""

import pytest

from sightline.deid.attributes import Attribute
from sightline.deid.contract import RULES, Rule
from sightline.testing.rules import RuleConformance
from tests.deid.rules import KEEP


@pytest.fixture(params=RULES.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestEveryRule(RuleConformance):
    @pytest.fixture
    def candidate(self, name: str) -> Rule:
        return RULES.get(name)

    @pytest.fixture
    def applies_to(self, name: str) -> list[Attribute]:
        return [each for each in KEEP.attributes.values() if each.rule == name]

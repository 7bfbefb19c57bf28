"""Every registered format passes the suite that outsiders get."""

import pytest

from sightline.formats.contract import FORMATS, Format
from sightline.testing.formats import FormatConformance


class TestEveryFormat(FormatConformance):
    @pytest.fixture(params=FORMATS.names())
    def candidate(self, request: pytest.FixtureRequest) -> Format:
        return FORMATS.get(request.param)

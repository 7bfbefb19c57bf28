"""What every de-identification rule must hold, ours and outsiders'.

Subclass `RuleConformance` in a test file and say which rule is meant:

    class TestMine(RuleConformance):
        @pytest.fixture
        def candidate(self) -> Rule:
            return PLUGIN
"""

import random

import pytest

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule, trial_context

IDENTIFIER = b"KANARIENVOGEL"
"""A name that is on no list of words."""

_LENGTHS = (1, 2, 4, 8, 12, 16, 64, 300)
_HIDDEN = (
    IDENTIFIER,
    IDENTIFIER.lower(),
    b"CHEST " + IDENTIFIER,
    IDENTIFIER + b"^ADA",
    b"CT\\" + IDENTIFIER,
    b"20240131 " + IDENTIFIER,
    b"1.2.840." + IDENTIFIER,
    IDENTIFIER.ljust(16) * 4,
    bytes(3) + IDENTIFIER,
)


class RuleConformance:
    """Tests that every rule passes."""

    @pytest.fixture
    def candidate(self) -> Rule:
        """Give the rule; every subclass says which."""
        raise NotImplementedError

    @pytest.fixture
    def applies_to(self) -> list[Attribute]:
        """Give the attributes it decides on: all, unless overridden."""
        return list(trial_context().keep_list.attributes.values())

    @pytest.fixture
    def context(self) -> Context:
        """Give a context with a key of its own."""
        return trial_context()

    def test_names_its_action(self, candidate: Rule) -> None:
        """The certificate counts it under one word."""
        assert candidate.action.replace("_", "").isalpha()
        assert candidate.action.islower()

    def test_no_bytes_make_it_fail(
        self, candidate: Rule, applies_to: list[Attribute], context: Context
    ) -> None:
        """Whatever stands in a value ends in bytes or in None, twice the same."""
        chance = random.Random(1)  # noqa: S311 - repeatable noise, no secret
        for attribute in applies_to:
            for length in _LENGTHS:
                value = chance.randbytes(length)
                left = candidate.clean(value, attribute, context)
                assert left is None or isinstance(left, bytes)
                assert candidate.clean(value, attribute, context) == left

    def test_no_name_leaves(
        self, candidate: Rule, applies_to: list[Attribute], context: Context
    ) -> None:
        """A name that is on no list leaves in no disguise."""
        for attribute in applies_to:
            for value in _HIDDEN:
                left = candidate.clean(value, attribute, context) or b""
                assert IDENTIFIER not in left.upper(), attribute.keyword

    def test_nothing_stays_nothing(
        self, candidate: Rule, applies_to: list[Attribute], context: Context
    ) -> None:
        """Where nothing stood, nothing but a pseudonym stands afterwards."""
        for attribute in applies_to:
            left = candidate.clean(b"", attribute, context)
            assert left is None or len(left) <= len(context.subject_id)

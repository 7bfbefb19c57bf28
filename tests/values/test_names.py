import pytest

from sightline.values.names import folded, name_key, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("M\u00dcLLER", "muller"),
        ("Stra\u00dfe", "strasse"),
        ("S\u00f8rensen", "sorensen"),
        ("\u0141ukasz", "lukasz"),
        ("\u738b^\u5c0f\u6771", "\u738b^\u5c0f\u6771"),
        ("\uae40", "\uae40"),
        ("", ""),
    ],
)
def test_folded(text: str, expected: str) -> None:
    assert folded(text) == expected
    assert folded(expected) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Probe^One", "=probe^one="),
        ("Probe^One^^ ", "=probe^one="),
        ("Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=", "=yamada^tarou=\u5c71\u7530^\u592a\u90ce=="),
        ("", "=="),
    ],
)
def test_name_key(name: str, expected: str) -> None:
    assert name_key(name) == expected


def test_words() -> None:
    assert words_of("de la Cruz^Jos\u00e9=X") == ["de", "la", "cruz", "jose", "x"]
    assert words_of(" ^=* ") == []

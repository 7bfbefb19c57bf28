import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.web.media_types import choose, choose_frame_type, parse_accept

JPEG_LS, NATIVE = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1"
OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("accept", "offered", "expected"),
    [
        ("", ("a/b", "c/d"), "a/b"),
        ("*/*", ("a/b", "c/d"), "a/b"),
        ("c/*", ("a/b", "c/d"), "c/d"),
        ("a/b;q=0.1, c/d;q=0.9", ("a/b", "c/d"), "c/d"),
        ("A/B", ("a/b",), "a/b"),
        ("x/y", ("a/b",), None),
        ("a/b;q=0", ("a/b",), None),
        ("a/b;q=none", ("a/b",), None),
        ('x/y;p="a/b, c/d"', ("a/b", "c/d"), None),
    ],
)
def test_the_best_range_chooses(accept: str, offered: tuple[str, ...], expected: str) -> None:
    assert choose(parse_accept(accept), offered) == expected


@pytest.mark.parametrize(
    ("accept", "syntax", "expected"),
    [
        ("*/*", NATIVE, OCTETS),
        ("*/*", JPEG_LS, "image/jls"),
        ('multipart/related; type="image/jls"', JPEG_LS, "image/jls"),
        ("multipart/related; type=image/*", JPEG_LS, "image/jls"),
        (f"multipart/related; type=image/jls; transfer-syntax={JPEG_LS}", JPEG_LS, "image/jls"),
        ("multipart/related; type=image/jls; transfer-syntax=1.2.3", JPEG_LS, None),
        (f'multipart/related; type="{OCTETS}"; transfer-syntax=*', JPEG_LS, OCTETS),
        (f'multipart/related; type="{OCTETS}"', JPEG_LS, None),
        (f'multipart/related; type="{OCTETS}"', NATIVE, OCTETS),
        ("multipart/related", JPEG_LS, "image/jls"),
        ("image/jls", JPEG_LS, None),
    ],
)
def test_frames_go_by_a_type_that_the_client_takes(
    accept: str, syntax: str, expected: str | None
) -> None:
    assert choose_frame_type(parse_accept(accept), syntax) == expected


@given(st.text(alphabet='abc/*;=," q0.', max_size=60))
def test_no_header_breaks_the_parser(accept: str) -> None:
    for each in parse_accept(accept):
        assert "/" in each.media_type
        assert each.quality > 0

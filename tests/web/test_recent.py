from hypothesis import given
from hypothesis import strategies as st

from sightline.web.recent import Recent


def test_a_value_is_made_once_while_it_fits() -> None:
    made: list[str] = []
    recent = Recent[bytes](limit_bytes=10, size_of=len)

    def make(name: str) -> bytes:
        made.append(name)
        return name.encode() * 4

    for name in ("a", "b", "a", "c", "b", "a"):
        assert recent.get(name, lambda name=name: make(name)) == name.encode() * 4
    assert made == ["a", "b", "c", "b", "a"]


def test_what_is_too_large_is_not_kept() -> None:
    recent = Recent[bytes](limit_bytes=3, size_of=len)
    recent.get("small", lambda: b"xx")
    recent.get("large", lambda: b"x" * 9)
    assert recent.get("small", lambda: b"made again") == b"xx"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), max_size=60))
def test_the_memory_never_exceeds_its_limit(requests: list[tuple[str, int]]) -> None:
    kept: dict[str, int] = {}
    recent = Recent[int](limit_bytes=20, size_of=lambda value: value)
    for name, size in requests:
        value = recent.get(name, lambda size=size: size)
        kept[name] = value
    remembered = {name for name in kept if recent.get(name, lambda: 0) == kept[name] != 0}
    assert sum(kept[name] for name in remembered) <= 20

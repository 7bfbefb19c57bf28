"""Items are made once, when asked for."""

from concurrent.futures import ThreadPoolExecutor

from sightline import clock
from sightline.feed.on_demand import OnDemand


def test_an_item_is_made_once_whoever_asks() -> None:
    made = []

    def make(index: int) -> int:
        clock.pause(0.01)
        made.append(index)
        return index * 10

    lazy = OnDemand(make, 3)
    assert len(lazy) == 3
    assert not made
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: lazy[1], range(8))) == [10] * 8
    assert made == [1]
    assert list(lazy) == [0, 10, 20]
    assert lazy[1:] == [10, 20]

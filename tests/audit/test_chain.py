"""The chain: what is appended is there in order, whole or not at all, whoever writes beside."""

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.audit.chain import NO_DIGEST, Event, append, entries, faults, head
from sightline.catalog.database import Database
from tests.audit.conftest import event_of, fill

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_entries_come_back_in_order(database: Database) -> None:
    assert head(database).digest == NO_DIGEST
    fill(database, 5)
    listed = entries(database)
    assert [each.sequence for each in listed] == [1, 2, 3, 4, 5]
    assert [each.event for each in listed] == [event_of(number) for number in range(5)]
    assert head(database).digest == listed[-1].digest
    assert [each.sequence for each in entries(database, newest=2)] == [4, 5]
    assert list(faults(database)) == []


def test_what_is_rolled_back_was_never_recorded(database: Database) -> None:
    fill(database, 2)

    def fail() -> None:
        with database.write() as connection:
            append(connection, event_of(7))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    fill(database, 1)
    assert [each.sequence for each in entries(database)] == [1, 2, 3]
    assert list(faults(database)) == []


def test_many_writers_make_one_chain(database: Database) -> None:
    def write() -> None:
        for number in range(10):
            with database.write() as connection:
                append(connection, event_of(number))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.sequence for each in entries(database)] == list(range(1, 41))
    assert list(faults(database)) == []


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actor=TEXT, objects=st.lists(TEXT, max_size=3), reason=TEXT)
def test_any_text_reads_back_and_verifies(
    database: Database, actor: str, objects: list[str], reason: str
) -> None:
    event = Event(actor=actor, action="tried", objects=tuple(objects), reason=reason)
    with database.write() as connection:
        append(connection, event)
    assert entries(database, newest=1)[0].event == event
    assert list(faults(database)) == []

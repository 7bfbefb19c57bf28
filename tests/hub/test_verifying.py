"""What verification of the hub must know; the damage itself is in tests/app/test_verifying.py."""

from sightline.catalog.hub_tables import METADATA
from sightline.hub.verifying import ARRAYS, OBJECTS

NO_REFERENCE = {"collection_version.digest"}


def test_every_column_that_names_an_object_or_array_is_known() -> None:
    known = {f"{column.table.name}.{column.name}" for column in (*OBJECTS, *ARRAYS)}
    found = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if column.name.endswith("digest")
    }
    assert found == known | NO_REFERENCE

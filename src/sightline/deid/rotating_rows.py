"""The catalog of a hub under the names of its next key, written beside the one that it has.

Names, dates, digests of objects and of collection versions are new; everything else is the same.
A version notes the digests that it had, and the order in which its series were taken.
"""

import contextlib
import dataclasses
import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sightline.catalog.database import Database, sqlite_url
from sightline.catalog.hub_tables import (
    ANNOTATION,
    CERTIFICATE,
    COLLECTION_MEMBER,
    COLLECTION_VERSION,
    EDGE,
    INSTANCE,
    METADATA,
    NODE,
    SERIES,
    STUDY,
)
from sightline.deid.certifying import is_sound, sign
from sightline.deid.rekeying import Rekeying
from sightline.deid.rotating_objects import Rekeyed
from sightline.deid.vault import Vault
from sightline.errors import BadFile
from sightline.formats.certificate import certificate_document, certificate_of
from sightline.hub.admission import annotation_id
from sightline.hub.collections import lineage_id, versions
from sightline.hub.consensus import consensus_id
from sightline.hub.hub import Hub
from sightline.store.durable import sync_paths
from sightline.values.collection import CollectionVersion, Member
from sightline.values.identity import (
    Digest,
    HubSeriesUid,
    HubStudyUid,
    LineageId,
    SubjectId,
)
from sightline.values.reading import is_consensus
from sightline.values.study import Certificate

NEXT_CATALOG_FILE = "catalog.db.next"

DIGESTS_BEFORE = "digests_before"
"""The fact of a collection version that names the digests it had under earlier keys."""

_BATCH = 1000
_SIDES = ("", "-wal", "-shm", "-journal")
_NAME = re.compile(
    r"(?<![\w.-])(?:[RS]-[A-Z0-9]{10}|2(?:\.[0-9]+)+|(?:annotation|collection)-[0-9a-f]{12})(?![\w-])"
)

Row = dict[str, Any]


def write_catalog(hub: Hub, target: Path, renamed: "Renamed") -> None:
    """Write the catalog at `target`; what an interrupted try left there is replaced.

    Raises:
        BadFile: A row holds a date that is none.
        OSError: It cannot be written.
    """
    for side in _SIDES:
        target.with_name(target.name + side).unlink(missing_ok=True)
    database = Database.open(sqlite_url(target), "hub")
    try:
        with hub.database.read() as source, database.write() as copy:
            for table in METADATA.sorted_tables:
                for rows in source.execute(sa.select(table)).mappings().partitions(_BATCH):
                    copy.execute(table.insert(), [renamed.row(table, dict(row)) for row in rows])
    finally:
        database.close()


class Renamed:
    """What each name in the catalog of a hub becomes.

    Args:
        hub: the store, as it is.
        names: of the next key.
        before: the names as they are.
        after: the names that follow.
        objects: what became of each object.
    """

    def __init__(
        self,
        hub: Hub,
        names: Rekeying,
        *,
        before: Vault,
        after: Vault,
        objects: Mapping[Digest, Rekeyed],
    ) -> None:
        self._keys, self._before, self._after = names, before, after
        self._objects = objects
        self._rules: dict[str, Callable[[Row, Row], Row]] = {
            STUDY.name: self._study,
            SERIES.name: self._series,
            INSTANCE.name: self._instance,
            CERTIFICATE.name: self._certificate,
            ANNOTATION.name: self._annotation,
            COLLECTION_VERSION.name: self._version,
            COLLECTION_MEMBER.name: self._member,
            NODE.name: self._node,
        }
        self._names = _names(hub, names)
        self._versions: dict[str, CollectionVersion] = {}
        self._places: dict[tuple[str, str], int | None] = {}
        for known in versions(hub):
            id_, renamed = lineage_id(known), self._renamed_version(known)
            self._versions[id_] = renamed
            self._names[id_] = lineage_id(renamed)
            self._places |= {(id_, each.series_uid): each.place for each in renamed.members}

    def row(self, table: sa.Table, row: Row) -> Row:
        """Return a row of a table as it will be.

        Raises:
            BadFile: It holds a date that is none.
        """
        plain = {column: self._value(value) for column, value in row.items()}
        rule = self._rules.get(table.name)
        return plain | rule(row, plain) if rule else plain

    def _value(self, value: object) -> object:
        if isinstance(value, str):
            return _NAME.sub(lambda match: self._names.get(match[0], match[0]), value)
        if isinstance(value, dict):
            return {self._value(name): self._value(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._value(each) for each in value]
        return value

    def _study(self, row: Row, _plain: Row) -> Row:
        subject = SubjectId(row["subject_id"])
        moved = self._keys.date(row["study_date"], subject)
        return {"study_date": moved} | self._description(row, subject)

    def _series(self, row: Row, _plain: Row) -> Row:
        return self._description(row, SubjectId(row["subject_id"]))

    def _description(self, row: Row, subject: SubjectId) -> Row:
        return {"description": self._keys.text(row["description"], subject)}

    def _instance(self, row: Row, _plain: Row) -> Row:
        rekeyed = self._objects[row["digest"]]
        return {
            "uid": self._keys.uid(row["uid"]),
            "digest": rekeyed.digest,
            "size_bytes": rekeyed.size_bytes,
        }

    def _annotation(self, row: Row, _plain: Row) -> Row:
        drawn = row["instance_uid"]
        return {"instance_uid": self._keys.uid(drawn) if drawn else None}

    def _version(self, row: Row, _plain: Row) -> Row:
        return {"digest": self._versions[row["lineage_id"]].digest}

    def _member(self, row: Row, plain: Row) -> Row:
        return {"place": self._places[row["version_id"], plain["series_uid"]]}

    def _node(self, row: Row, plain: Row) -> Row:
        version = self._versions.get(row["id"])
        if version is None:
            return {}
        earlier = [row["facts"].get(DIGESTS_BEFORE, ""), row["facts"].get("digest", "")]
        facts = {"digest": version.digest, DIGESTS_BEFORE: " ".join(filter(None, earlier))}
        return {"facts": plain["facts"] | facts}

    def _certificate(self, row: Row, _plain: Row) -> Row:
        try:
            certificate = certificate_of(row["content"])
        except BadFile:
            # What is no certificate proves nothing, and names what nobody can rename.
            return {"content": {}}
        return {"content": certificate_document(self._renamed_certificate(certificate))}

    def _renamed_certificate(self, known: Certificate) -> Certificate:
        outputs: dict[str, Digest] = {
            self._keys.uid(uid): self._objects[digest].digest
            for uid, digest in known.outputs.items()
            if digest in self._objects  # of what a later passage replaced, nothing is here
        }
        renamed = dataclasses.replace(
            known,
            study_uid=HubStudyUid(self._keys.uid(known.study_uid)),
            subject_id=self._keys.subject(known.subject_id),
            actions=known.actions | {"names_rotated": len(outputs)},
            outputs=outputs,
            public_key="",
            signature="",
        )
        # Only what proved itself until now is vouched for.
        return sign(renamed, self._after) if is_sound(known, self._before) else renamed

    def _renamed_version(self, known: CollectionVersion) -> CollectionVersion:
        members = (
            self._renamed_member(member, place) for place, member in enumerate(known.in_order())
        )
        return dataclasses.replace(known, members=tuple(members))

    def _renamed_member(self, member: Member, place: int) -> Member:
        drawn = member.annotation_id
        return dataclasses.replace(
            member,
            subject_id=self._keys.subject(member.subject_id),
            series_uid=HubSeriesUid(self._keys.uid(member.series_uid)),
            annotation_id=LineageId(self._names[drawn]) if drawn else None,
            place=place,
        )


def _names(hub: Hub, keys: Rekeying) -> dict[str, str]:
    """Return what subjects, studies, series, authors and annotations are called then."""
    subjects: tuple[sa.ColumnElement[str], ...] = (
        STUDY.c.subject_id,
        SERIES.c.subject_id,
        COLLECTION_MEMBER.c.subject_id,
    )
    with hub.database.read() as connection:

        def each(query: sa.Select[Any]) -> Iterator[str]:
            yield from connection.execute(query.distinct()).scalars()

        found: dict[str, str] = {}
        for column in subjects:
            found |= {name: keys.subject(SubjectId(name)) for name in each(sa.select(column))}
        nodes = sa.select(NODE.c.id).where(NODE.c.kind == "subject")
        found |= {name: keys.subject(SubjectId(name)) for name in each(nodes)}
        for uids in (STUDY.c.uid, SERIES.c.uid):
            found |= {uid: keys.uid(uid) for uid in each(sa.select(uids))}
        authors = each(sa.select(ANNOTATION.c.author))
        found |= {name: keys.reader(name) for name in authors if not is_consensus(name)}
        drawn = connection.execute(
            sa.select(ANNOTATION.c.id, ANNOTATION.c.instance_uid).where(
                ANNOTATION.c.instance_uid.is_not(None)
            )
        )
        found |= {row.id: annotation_id(keys.uid(row.instance_uid)) for row in drawn}
        return found | dict(_names_of_consensuses(connection, found))


def _names_of_consensuses(
    connection: sa.Connection, names: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Return what annotations that were made in the hub are called: by those they were made of."""
    source = ANNOTATION.alias("source")
    rows = connection.execute(
        sa.select(ANNOTATION.c.id, ANNOTATION.c.author, source.c.id.label("of"))
        .join(EDGE, EDGE.c.child == ANNOTATION.c.id)
        .join(source, source.c.id == EDGE.c.parent)
        .where(ANNOTATION.c.instance_uid.is_(None))
        .order_by(ANNOTATION.c.id)
    )
    for (id_, author), of in itertools.groupby(rows, key=lambda row: (row.id, row.author)):
        yield id_, consensus_id(author, [names[row.of] for row in of])


def settle(path: Path) -> None:
    """Leave a catalog in one file, durably."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    sync_paths([path, path.parent])

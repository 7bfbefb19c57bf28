"""Runs, models, evaluations and releases."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.database import insert_new
from sightline.catalog.hub_tables import COLLECTION_VERSION, EVALUATION, MODEL, RELEASE, RUN, TRIAL
from sightline.errors import UnknownName
from sightline.hub.collections import lineage_id as collection_id
from sightline.hub.collections import version as collection_version
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.values.collection import CollectionVersion, parse_label
from sightline.values.identity import Digest, LineageId
from sightline.values.lineage import Kind
from sightline.values.model import (
    EvaluationRecord,
    GateCheck,
    ModelRecord,
    ModelState,
    ReleaseRecord,
    RunRecord,
)
from sightline.values.package import InstalledPackage
from sightline.values.trial import Trial


def start_run(hub: Hub, run: RunRecord) -> None:
    """Enter a run that begins, with its collection, recipe, code and environment as parents.

    `run.record` holds `code` and `environment`, both JSON objects of strings.
    """
    chosen = collection_version(hub, run.collection)
    with hub.database.write() as connection:
        _enter(connection, run)
        parents = [
            collection_id(chosen),
            _record_digest(connection, "recipe", {"yaml": run.recipe}),
            _record_digest(connection, "code", run.record["code"]),
            _record_digest(connection, "environment", run.record["environment"]),
        ]
        if run.start_from:
            parents.append(run.start_from)
        record(connection, node_of(run.lineage_id, "run", name=run.lineage_id), parents)


def enter_foreign_run(
    hub: Hub, run: RunRecord, *, facts: dict[str, str], package: InstalledPackage | None = None
) -> None:
    """Enter a run that happened elsewhere, on no collection of this hub.

    Args:
        hub: the store.
        run: finished; its `collection` is empty.
        facts: where it came from, with the digests of its files; they stand in lineage.
        package: that its model came in; a parent of the run.
    """
    with hub.database.write() as connection:
        _enter(connection, run)
        parents = [_record_digest(connection, "recipe", {"yaml": run.recipe})]
        if package is not None:
            described = package.described
            told = {
                "digest": package.digest,
                "publisher": described.publisher,
                "signed by": package.key or "nobody",
                "name": f"{described.name} {described.version}",
                "intended use": described.intended_use,
                "limits": described.limits,
                "licence": described.licence,
            }
            parents.append(_record_digest(connection, "package", told))
        node = node_of(run.lineage_id, "run", name=run.lineage_id, facts=facts)
        record(connection, node, parents)


def finish_run(hub: Hub, run_id: LineageId, facts: dict[str, Any]) -> None:
    """Record what a run measured; `facts` joins its record."""
    _note(hub, run_id, facts, state="finished", finished_at=clock.now().isoformat())


def note_run(hub: Hub, run_id: LineageId, facts: dict[str, Any]) -> None:
    """Add facts to the record of a run."""
    _note(hub, run_id, facts)


def _note(hub: Hub, run_id: LineageId, facts: dict[str, Any], **changes: str) -> None:
    with hub.database.write() as connection:
        known = connection.execute(
            sa.select(RUN.c.record).where(RUN.c.lineage_id == run_id)
        ).scalar_one()
        connection.execute(
            RUN.update().where(RUN.c.lineage_id == run_id).values(record=known | facts, **changes)
        )


def add_run_parents(hub: Hub, run_id: LineageId, parents: list[LineageId]) -> None:
    """Enter in lineage what a run came to build on since it began."""
    with hub.database.write() as connection:
        record(connection, node_of(run_id, "run", name=run_id), parents)


def run(hub: Hub, run_id: LineageId) -> RunRecord:
    """Return a run.

    Raises:
        UnknownName: There is no such run.
    """
    with hub.database.read() as connection:
        row = connection.execute(sa.select(RUN).where(RUN.c.lineage_id == run_id)).first()
    if row is None:
        raise UnknownName(f"there is no run {run_id!r}", hint="`sightline runs` lists them.")
    return _run(row)


def runs(hub: Hub) -> list[RunRecord]:
    """List every run, newest first."""
    with hub.database.read() as connection:
        rows = connection.execute(sa.select(RUN).order_by(RUN.c.created_at.desc())).all()
    return [_run(row) for row in rows]


def add_model(
    hub: Hub, name: str, *, run_id: LineageId, weights: bytes, manifest: dict[str, Any]
) -> ModelRecord:
    """Keep what a run made as the next version of `name`; a repeat returns what is there."""
    digest = hub.objects.put(weights)
    with hub.database.write() as connection:
        row = connection.execute(sa.select(MODEL).where(MODEL.c.run_id == run_id)).first()
        if row is not None:
            return _model(row)
        newest = connection.execute(
            sa.select(sa.func.max(MODEL.c.version)).where(MODEL.c.name == name)
        ).scalar()
        made = ModelRecord(
            lineage_id=LineageId(f"model-{run_id.removeprefix('run-')}"),
            name=name,
            version=(newest or 0) + 1,
            run_id=run_id,
            weights_digest=digest,
            manifest=manifest,
            state="candidate",
            created_at=clock.now().isoformat(),
        )
        connection.execute(MODEL.insert().values(**dataclasses.asdict(made)))
        facts: dict[str, str] = {"weights": digest}
        record(
            connection, node_of(made.lineage_id, "model", name=made.label, facts=facts), [run_id]
        )
    return made


def model(hub: Hub, label: str) -> ModelRecord:
    """Return `NAME@N`, the newest of `NAME`, or the model with that lineage id.

    Raises:
        UnknownName: There is no such model.
    """
    name, number = parse_label(label)
    query = sa.select(MODEL).where((MODEL.c.name == name) | (MODEL.c.lineage_id == label))
    if number is not None:
        query = query.where(MODEL.c.version == number)
    with hub.database.read() as connection:
        row = connection.execute(query.order_by(MODEL.c.version.desc())).first()
    if row is None:
        raise UnknownName(
            f"there is no model {label!r}", hint="`sightline models list` shows what is there."
        )
    return _model(row)


def model_of_run(hub: Hub, run_id: LineageId) -> ModelRecord | None:
    """Return the model that a run made; None where it made none yet."""
    with hub.database.read() as connection:
        row = connection.execute(sa.select(MODEL).where(MODEL.c.run_id == run_id)).first()
    return None if row is None else _model(row)


def models(hub: Hub, *, state: ModelState | None = None) -> list[ModelRecord]:
    """List models, of one state where it is given, by name and version."""
    query = sa.select(MODEL).order_by(MODEL.c.name, MODEL.c.version)
    if state is not None:
        query = query.where(MODEL.c.state == state)
    with hub.database.read() as connection:
        return [_model(row) for row in connection.execute(query).all()]


def change_states(hub: Hub, changes: list[ReleaseRecord]) -> None:
    """Move models between states and record why, all in one transaction."""
    with hub.database.write() as connection:
        for change in changes:
            connection.execute(
                MODEL.update()
                .where(MODEL.c.lineage_id == change.model_id)
                .values(state=change.to_state)
            )
            connection.execute(RELEASE.insert().values(**dataclasses.asdict(change)))


def releases(hub: Hub, name: str) -> list[ReleaseRecord]:
    """List the state changes of every version of a model, oldest first."""
    query = (
        sa.select(RELEASE)
        .join(MODEL, MODEL.c.lineage_id == RELEASE.c.model_id)
        .where(MODEL.c.name == name)
        .order_by(RELEASE.c.id)
    )
    with hub.database.read() as connection:
        rows = connection.execute(query).all()
    return [
        ReleaseRecord(
            model_id=LineageId(row.model_id),
            from_state=row.from_state,
            to_state=row.to_state,
            approver=row.approver,
            reason=row.reason,
            at=row.at,
            checks=tuple(GateCheck(**each) for each in row.checks or ()),
        )
        for row in rows
    ]


def add_evaluation(
    hub: Hub,
    model_id: LineageId,
    chosen: CollectionVersion,
    *,
    split: str,
    content: dict[str, Any],
) -> None:
    """Record an evaluation of a model on one split of a version."""
    with hub.database.write() as connection:
        connection.execute(
            EVALUATION.insert().values(
                model_id=model_id,
                version_id=collection_id(chosen),
                split=split,
                content=content,
                created_at=clock.now().isoformat(),
            )
        )


def keep_trials(hub: Hub, model_id: LineageId, trials: Sequence[Trial], *, machine: str) -> None:
    """Keep how back ends ran a model on a machine, instead of what was known of it there."""
    now = clock.now().isoformat()
    rows = [
        {
            "model_id": model_id,
            "machine": machine,
            "back_end": each.back_end,
            "content": dataclasses.asdict(each),
            "created_at": now,
        }
        for each in trials
    ]
    is_there = (TRIAL.c.model_id == model_id) & (TRIAL.c.machine == machine)
    with hub.database.write() as connection:
        connection.execute(TRIAL.delete().where(is_there))
        connection.execute(TRIAL.insert(), rows)


def trials(hub: Hub, model_id: LineageId, machine: str) -> list[Trial]:
    """List how back ends ran a model on a machine; none where they were not tried."""
    query = sa.select(TRIAL.c.content).where(
        TRIAL.c.model_id == model_id, TRIAL.c.machine == machine
    )
    with hub.database.read() as connection:
        return [Trial(**content) for content in connection.execute(query).scalars()]


def evaluations(hub: Hub, model_id: LineageId) -> list[EvaluationRecord]:
    """List the evaluations of a model, newest first."""
    query = (
        sa.select(EVALUATION, COLLECTION_VERSION.c.name, COLLECTION_VERSION.c.version)
        .join(COLLECTION_VERSION, COLLECTION_VERSION.c.lineage_id == EVALUATION.c.version_id)
        .where(EVALUATION.c.model_id == model_id)
        .order_by(EVALUATION.c.id.desc())
    )
    with hub.database.read() as connection:
        rows = connection.execute(query).all()
    return [
        EvaluationRecord(
            model_id=LineageId(row.model_id),
            collection=f"{row.name}@{row.version}",
            split=row.split,
            content=row.content,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _enter(connection: sa.Connection, run: RunRecord) -> None:
    insert_new(
        connection,
        RUN,
        {
            "lineage_id": run.lineage_id,
            "recipe": run.recipe,
            "collection": run.collection,
            "state": run.state,
            "record": run.record | {"start_from": run.start_from},
            "created_at": run.created_at,
            "finished_at": run.finished_at,
        },
    )


def _record_digest(connection: sa.Connection, kind: Kind, facts: dict[str, str]) -> LineageId:
    content = "\n".join(f"{name}={facts[name]}" for name in sorted(facts))
    id_ = LineageId(f"{kind}-{hashlib.sha256(content.encode()).hexdigest()[:12]}")
    name = facts.get("name", id_)
    record(connection, node_of(id_, kind, name=name, facts=facts), [])
    return id_


def _run(row: sa.Row[tuple[object, ...]]) -> RunRecord:
    return RunRecord(
        lineage_id=LineageId(row.lineage_id),
        recipe=row.recipe,
        collection=row.collection,
        state=row.state,
        record=row.record,
        created_at=row.created_at,
        finished_at=row.finished_at,
        start_from=row.record.get("start_from"),
    )


def _model(row: sa.Row[tuple[object, ...]]) -> ModelRecord:
    return ModelRecord(
        lineage_id=LineageId(row.lineage_id),
        name=row.name,
        version=row.version,
        run_id=LineageId(row.run_id),
        weights_digest=Digest(row.weights_digest),
        manifest=row.manifest,
        state=row.state,
        created_at=row.created_at,
    )

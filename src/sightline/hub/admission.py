"""Taking in what passed the door: instances, one volume a series, annotations, results."""

import contextlib
import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sightline import clock, log
from sightline.catalog.database import insert_new
from sightline.catalog.hub_tables import (
    ANNOTATION,
    CERTIFICATE,
    INSTANCE,
    NODE,
    SERIES,
    STUDY,
    VOLUME,
)
from sightline.engines.limited import Limits
from sightline.errors import BadFile
from sightline.formats.certificate import certificate_document
from sightline.formats.dicom_file import Header, read_header
from sightline.formats.dicom_image import read_volumes
from sightline.formats.seg import SEGMENTATION_STORAGE, read_seg
from sightline.formats.sr import COMPREHENSIVE_3D_SR_STORAGE
from sightline.formats.statement_sr import FoundStatement, read_statement
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.hub.subjects import Relinked, relink, replace_instance
from sightline.store.arrays import SLICE_RESCALE, array_digest, write_array
from sightline.values.geometry import Geometry
from sightline.values.identity import Digest, HubSeriesUid, LineageId
from sightline.values.statement import draw_places
from sightline.values.study import Certificate, DeidentifiedInstance, DeidentifiedStudy
from sightline.values.volume import PROJECTIONS, Segmentation, Volume

_log = log.get("hub")
VOLUME_FORMAT = "sightline-volume"
VOLUME_VERSION = 2
"""Version 2 may hold the rescale of each slice; version 1 had one for all."""
MASK_FORMAT = "sightline-mask"


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    instance: DeidentifiedInstance
    header: Header
    digest: Digest


def admit(hub: Hub, study: DeidentifiedStudy) -> Relinked | None:
    """Keep a de-identified study; a repeat of what is there changes nothing.

    A study that passes under another subject than before, because patients were merged or
    unmerged, is given to that one; this is returned.

    Raises:
        OSError: The bytes could not be made durable.
    """
    kept = [
        _Kept(instance, read_header(instance.content), hub.objects.put(instance.content))
        for instance in study.instances
    ]
    with hub.database.write() as connection:
        relinked = relink(connection, study)
        _enter_instances(connection, study, kept)
    for series_uid, members in _image_series(kept).items():
        with hub.objects.local_copies([each.digest for each in members]) as files:
            frames = sum(each.header.frames or 1 for each in members)
            make_volumes(hub, series_uid, files, frames=frames)
    for each in kept:
        if each.instance.lineage_id:
            _admit_result(hub, each)
        elif each.instance.sop_class_uid == SEGMENTATION_STORAGE:
            _admit_annotation(hub, each)
        elif each.instance.sop_class_uid == COMPREHENSIVE_3D_SR_STORAGE:
            _admit_statement(hub, each)
    _log.info("study_admitted", study=study.uid, instances=len(kept))
    return relinked


def volume_geometry(attributes: dict[str, object], shape: tuple[int, int, int]) -> Geometry:
    """Return the grid that `admit` wrote into an array's attributes."""
    affine = attributes["affine"]
    return Geometry(shape=shape, affine=tuple(tuple(row) for row in affine))  # type: ignore[attr-defined]  # JSON we wrote


def _enter_instances(
    connection: sa.Connection, study: DeidentifiedStudy, kept: Sequence[_Kept]
) -> None:
    head = kept[0].header
    row = {"uid": study.uid, "subject_id": study.subject_id}
    row |= {"study_date": head.study_date, "description": head.study_description}
    if not insert_new(connection, STUDY, row):
        # Reports that pass by themselves know less of a study than its images.
        told = {name: row[name] for name in ("study_date", "description") if row[name]}
        if told:
            connection.execute(STUDY.update().where(STUDY.c.uid == study.uid).values(**told))
    subject = node_of(LineageId(study.subject_id), "subject", name=study.subject_id)
    record(connection, subject, [])
    for each in kept:
        _enter_series(connection, study, each.header)
        size_bytes = len(each.instance.content)
        values = {
            "uid": each.instance.uid,
            "series_uid": each.instance.series_uid,
            "sop_class_uid": each.instance.sop_class_uid,
            "digest": each.digest,
            "size_bytes": size_bytes,
        }
        if not insert_new(connection, INSTANCE, values):
            replace_instance(
                connection, each.instance.uid, digest=each.digest, size_bytes=size_bytes
            )
    _enter_certificate(connection, study.certificate)


def _enter_certificate(connection: sa.Connection, certificate: Certificate) -> None:
    content = certificate_document(certificate)
    newest = connection.execute(
        sa.select(CERTIFICATE.c.content)
        .where(CERTIFICATE.c.study_uid == certificate.study_uid)
        .order_by(CERTIFICATE.c.id.desc())
    ).scalar()
    is_same = newest is not None and all(
        newest.get(name) == content.get(name) for name in ("version", "outputs", "public_key")
    )
    if not is_same:
        connection.execute(
            CERTIFICATE.insert().values(
                study_uid=certificate.study_uid,
                content=content,
                created_at=certificate.created_at,
            )
        )


def _enter_series(connection: sa.Connection, study: DeidentifiedStudy, header: Header) -> None:
    row = {
        "uid": header.series_uid,
        "study_uid": study.uid,
        "subject_id": study.subject_id,
        "modality": header.modality,
        "description": header.series_description,
        "body_part": header.body_part,
        "manufacturer": header.manufacturer,
        "manufacturer_model": header.manufacturer_model,
        "volume_digest": "",
        "not_volume": "",
    }
    if insert_new(connection, SERIES, row):
        facts = {"modality": header.modality, "manufacturer": header.manufacturer}
        node = node_of(LineageId(header.series_uid), "series", name=header.series_uid, facts=facts)
        record(connection, node, [LineageId(study.subject_id)])


def _image_series(kept: Sequence[_Kept]) -> dict[HubSeriesUid, list[_Kept]]:
    series: dict[HubSeriesUid, list[_Kept]] = defaultdict(list)
    for each in kept:
        if each.header.rows and each.instance.sop_class_uid != SEGMENTATION_STORAGE:
            series[each.instance.series_uid].append(each)
    return series


def make_volumes(hub: Hub, series_uid: HubSeriesUid, files: list[Path], *, frames: int) -> None:
    """Make the volumes of a series from its files, or note why there is none."""
    try:
        series = Limits.for_files(files, frames=frames).call(read_volumes, files)
    except BadFile as error:
        mark_series(hub, series_uid, volumes=[], not_volume=error.problem)
        _log.info("series_is_no_volume", series=series_uid, why=error.problem)
        return
    volumes = [(volume.stack, _keep_volume(hub, volume)) for volume in series.volumes]
    reasons = [f"a part of the series is no volume: {each.text}" for each in series.refused]
    if len(volumes) > 1:
        names = "; ".join(name for name, _ in volumes)
        reasons.insert(0, f"the series makes {len(volumes)} volumes: {names}")
    mark_series(hub, series_uid, volumes=volumes, not_volume="\n".join(reasons))
    if reasons:
        _log.info("series_is_split", series=series_uid, volumes=len(volumes), why=reasons)


def _keep_volume(hub: Hub, volume: Volume) -> str:
    digest = volume_digest(volume)
    if not hub.array_path(digest).exists():
        slices = volume.slice_rescale
        attributes: dict[str, Any] = {
            "format": VOLUME_FORMAT,
            "version": VOLUME_VERSION,
            "affine": volume.geometry.affine,
            "frame": "image" if volume.modality in PROJECTIONS else "LPS",
            "slope": None if slices else volume.slope,
            "intercept": None if slices else volume.intercept,
            "unit": volume.unit,
            "modality": volume.modality,
        }
        if slices:
            attributes[SLICE_RESCALE] = slices
        if volume.philips_scale:
            attributes["philips_scale"] = volume.philips_scale
        write_array(hub.array_path(digest), volume.voxels, attributes)
    return digest


def mark_series(
    hub: Hub, series_uid: HubSeriesUid, *, volumes: Sequence[tuple[str, str]], not_volume: str
) -> None:
    """Note name and digest of each volume of a series, and why it, or a part of it, is none."""
    only = volumes[0][1] if len(volumes) == 1 else ""
    with hub.database.write() as connection:
        connection.execute(
            SERIES.update()
            .where(SERIES.c.uid == series_uid)
            .values(volume_digest=only, not_volume=not_volume)
        )
        connection.execute(VOLUME.delete().where(VOLUME.c.series_uid == series_uid))
        rows = [
            {"series_uid": series_uid, "number": number, "name": name, "digest": digest}
            for number, (name, digest) in enumerate(volumes, start=1)
        ]
        if rows:
            connection.execute(VOLUME.insert(), rows)


def _admit_annotation(hub: Hub, kept: _Kept) -> None:
    source = kept.instance.source_series_uid
    try:
        segmentation = _drawn(kept, _grids_of_series(hub, source))
    except BadFile as error:
        _log.warning("annotation_unreadable", instance=kept.instance.uid, why=error.problem)
        return
    if source is None or segmentation is None:
        _log.warning("annotation_without_volume", instance=kept.instance.uid)
        return
    digest = keep_mask(hub, segmentation)
    id_ = annotation_id(kept.instance.uid)
    with hub.database.write() as connection:
        row = {
            "id": id_,
            "series_uid": source,
            "instance_uid": kept.instance.uid,
            "author": segmentation.author,
            "classes": list(segmentation.classes),
            "mask_digest": digest,
            "created_at": clock.now().isoformat(),
        }
        insert_new(connection, ANNOTATION, row)
        facts = {"author": segmentation.author, "classes": ", ".join(segmentation.classes)}
        record(connection, node_of(id_, "annotation", name=id_, facts=facts), [LineageId(source)])


def _admit_statement(hub: Hub, kept: _Kept) -> None:
    content = kept.instance.content
    try:
        found = Limits.for_bytes(len(content)).call(read_statement, content)
        if found is None:
            return
        drawn = _draw_places(hub, found)
    except BadFile as error:
        _log.warning("annotation_unreadable", instance=kept.instance.uid, why=error.problem)
        return
    statement, source = found.statement, LineageId(found.series_uid)
    id_ = annotation_id(kept.instance.uid)
    with hub.database.write() as connection:
        is_here = sa.select(SERIES.c.uid).where(SERIES.c.uid == source)
        if connection.execute(is_here).first() is None:
            _log.warning("annotation_without_series", instance=kept.instance.uid)
            return
        row = {
            "id": id_,
            "series_uid": source,
            "instance_uid": kept.instance.uid,
            "author": statement.author,
            "classes": list(statement.classes),
            "mask_digest": drawn,
            "created_at": clock.now().isoformat(),
            "target": statement.target,
            "number": found.number,
            "statement": statement.to_json(),
        }
        insert_new(connection, ANNOTATION, row)
        facts = {"author": statement.author, "target": statement.target}
        record(connection, node_of(id_, "annotation", name=id_, facts=facts), [source])


def _draw_places(hub: Hub, found: FoundStatement) -> str:
    """Keep places as a mask, too, that is cut as masks are; empty for other statements."""
    statement = found.statement
    grids = _grids_of_series(hub, HubSeriesUid(found.series_uid))
    if statement.kind != "places" or not grids:
        return ""
    mask = draw_places(statement.places, grids[0], statement.classes)
    drawn = Segmentation(
        mask=mask, geometry=grids[0], classes=statement.classes, author=statement.author
    )
    return keep_mask(hub, drawn)


def annotation_id(instance_uid: str) -> LineageId:
    """Return the lineage id of the annotation that an instance of the hub holds."""
    # The hub's UID is already a keyed pseudonym, so a digest of it names nobody.
    return LineageId(f"annotation-{hashlib.sha256(instance_uid.encode()).hexdigest()[:12]}")


def _admit_result(hub: Hub, kept: _Kept) -> None:
    lineage_id = kept.instance.lineage_id
    source = kept.instance.source_series_uid
    if lineage_id is None or source is None:
        return
    with hub.database.write() as connection:
        known = connection.execute(sa.select(NODE.c.kind).where(NODE.c.id == lineage_id)).scalar()
        if known:
            # Only now may lineage learn which series the result was drawn on: the door said so.
            node = node_of(lineage_id, known, name=lineage_id)
            record(connection, node, [LineageId(source)])


def _grids_of_series(hub: Hub, series_uid: HubSeriesUid | None) -> list[Geometry]:
    """The grids of the volumes of a series, each once: echoes and time points share theirs."""
    with hub.database.read() as connection:
        digests = connection.execute(
            sa.select(VOLUME.c.digest)
            .where(VOLUME.c.series_uid == series_uid)
            .order_by(VOLUME.c.number)
        ).scalars()
        arrays = [hub.array(digest) for digest in digests]
    return list(dict.fromkeys(volume_geometry(array.attributes, array.shape) for array in arrays))


def _drawn(kept: _Kept, grids: Sequence[Geometry]) -> Segmentation | None:
    """Read a mask onto the first grid that it lies on; None where there is no grid."""
    content = kept.instance.content
    limits = Limits.for_bytes(len(content), frames=kept.header.frames or 1)
    for geometry in grids[:-1]:
        with contextlib.suppress(BadFile):
            return limits.call(read_seg, content, geometry)
    return limits.call(read_seg, content, grids[-1]) if grids else None


def keep_mask(hub: Hub, segmentation: Segmentation) -> str:
    """Keep a mask on the grid of its volume, durably, and return its digest.

    Raises:
        OSError: It could not be made durable.
    """
    digest = array_digest(segmentation.mask)
    if not hub.array_path(digest).exists():
        attributes = {
            "format": MASK_FORMAT,
            "version": 1,
            "affine": segmentation.geometry.affine,
            "frame": "LPS",
            "classes": list(segmentation.classes),
        }
        write_array(hub.array_path(digest), segmentation.mask, attributes)
    return digest


def volume_digest(volume: Volume) -> str:
    """Return the name of a volume: SHA-256 over voxels, grid, scale and modality."""
    # What only some volumes have is left out of the others, whose digests stay what they were.
    rest = f"{volume.slice_rescale or ''}{volume.philips_scale or ''}"
    meaning = f"{volume.geometry.affine}{volume.slope}{volume.intercept}{volume.modality}"
    voxels = array_digest(volume.voxels)
    return hashlib.sha256(f"{voxels}{meaning}{rest}".encode()).hexdigest()

"""Predictions as files: a mask a series, and one table of what was measured."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from sightline.errors import Refused
from sightline.formats.nifti import write_nifti_mask
from sightline.hub.admission import volume_geometry
from sightline.hub.hub import Hub
from sightline.store.durable import make_folder, write_durably
from sightline.values.prediction import HubPrediction
from sightline.values.volume import Segmentation

TABLE_FILE = "predictions.tsv"
_COLUMNS = (
    *("prediction", "model", "collection", "split", "subject", "series", "priority", "finding"),
    *("class", "volume_ml", "longest_diameter_mm", "components", "mask", "probability"),
)


def export_predictions(
    hub: Hub,
    found: Sequence[HubPrediction],
    folder: Path,
    *,
    on_done: Callable[[int], None] = lambda _: None,
) -> Path:
    """Write `folder`/SUBJECT/SERIES.nii.gz, and a table with a line a class of each series.

    Returns:
        the table, which is written last.

    Raises:
        Refused: There is nothing to write, or `folder` holds something already.
        DamagedObject: A mask is missing or broken.
        OSError: A file cannot be written.
    """
    if not found:
        raise Refused("there is no such prediction", hint="Make some: sightline predict MODEL ON.")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="Give a folder that does not exist yet.")
    make_folder(folder)
    lines = io.StringIO()
    table = csv.writer(lines, delimiter="\t", lineterminator="\n")
    table.writerow(_COLUMNS)
    for done, each in enumerate(found, start=1):
        table.writerows(_rows(each, _write_mask(hub, each, folder)))
        on_done(done)
    path = folder / TABLE_FILE
    write_durably(path, lines.getvalue().encode())
    return path


def _write_mask(hub: Hub, each: HubPrediction, folder: Path) -> str:
    if each.mask_digest is None:
        return ""
    array = hub.array(each.mask_digest)

    drawn = Segmentation(
        mask=array.read(),
        geometry=volume_geometry(array.attributes, array.shape),
        classes=tuple(array.attributes["classes"]),
        author=each.model,
    )
    place = f"{each.subject_id}/{each.series_uid}.nii.gz"
    make_folder(folder / each.subject_id)
    write_durably(folder / place, write_nifti_mask(drawn))
    return place


def _rows(each: HubPrediction, place: str) -> list[tuple[object, ...]]:
    finding = each.finding
    head = (
        *(each.lineage_id, each.model, each.collection, each.split, each.subject_id),
        *(each.series_uid, finding.priority, finding.line),
    )
    measured = [
        (
            *head,
            *(found.class_name, f"{found.volume_ml:.4f}", f"{found.longest_diameter_mm:.2f}"),
            *(found.components, place, ""),
        )
        for found in finding.measurements
    ]
    probable = [
        (*head, found.class_name, *[""] * 4, f"{found.probability:.6f}")
        for found in finding.probabilities
    ]
    return measured + probable or [(*head, *[""] * 6)]

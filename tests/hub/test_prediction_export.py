"""Predictions as files: the masks as they are, and one table."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import Refused
from sightline.formats.nifti import read_nifti_mask
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.hub.prediction_export import TABLE_FILE, export_predictions
from sightline.hub.predictions import predictions
from sightline.hub.readings import history
from sightline.values.finding import Finding, Measurement
from tests.readers import NODULE, WIDE, add_predicted, admit_read


def test_masks_and_table_say_what_was_predicted(hub: Hub, tmp_path: Path) -> None:
    series = admit_read(hub, tmp_path, 1, {"R-A": WIDE})
    chosen = make_version(hub, "nodules", Criteria(classes=NODULE))
    measured = Measurement(
        class_name="nodule",
        volume_ml=0.5,
        longest_diameter_mm=6.25,
        components=1,
        tracking_uid="2.25.1",
    )
    finding = Finding(priority=1, words="a nodule", measurements=(measured,))
    mask = history(hub, series)[0].mask_digest
    made = add_predicted(hub, chosen, mask, finding=finding)
    folder = tmp_path / "out"
    assert export_predictions(hub, predictions(hub), folder) == folder / TABLE_FILE
    with (folder / TABLE_FILE).open(newline="") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    assert (row["prediction"], row["model"], row["series"]) == (made.lineage_id, "finder@1", series)
    assert (row["finding"], row["volume_ml"], row["components"]) == ("a nodule", "0.5000", "1")
    content = (folder / row["mask"]).read_bytes()
    drawn = read_nifti_mask(content, classes=NODULE, author="")
    assert np.array_equal(drawn.mask, WIDE)
    with pytest.raises(Refused, match="is not empty"):
        export_predictions(hub, predictions(hub), folder)
    with pytest.raises(Refused, match="no such prediction"):
        export_predictions(hub, [], tmp_path / "none")

"""Sightline's folder tool without its command: what `sightline deid` calls, timed inside."""

import argparse
import json
import time
from pathlib import Path

from sightline.deid.hub_door import HubDoor
from sightline.settings import Settings


def main() -> None:
    """Clean a folder and print the seconds, and why instances were held, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    door = HubDoor.open(Settings.load(data_dir=given.data_dir))
    began, began_cpu = time.perf_counter(), time.process_time()
    passage = door.pass_folder(
        given.source, given.target, processes=given.processes, tell=lambda _done, _total: None
    )
    seconds = time.perf_counter() - began
    cpu_seconds = time.process_time() - began_cpu
    held = {each.instance_uid: each.reason for each in passage.held}
    failed = {path.name: "not DICOM" for path in passage.not_dicom}
    said = {"seconds": seconds, "cpu_seconds": cpu_seconds, "held": held, "failed": failed}
    print(json.dumps(said))


if __name__ == "__main__":
    main()

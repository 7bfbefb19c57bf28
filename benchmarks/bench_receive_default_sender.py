"""Receiving from DCMTK's storescu with its default settings, beside Orthanc.

The default sender leaves Nagle's algorithm on and waits for the acknowledgement of each PDU's
last segment, which a receiver's kernel delays by 40 ms. Both receivers run on loopback with their
default protocol settings, and both make every instance durable before they answer (Orthanc with
SyncStorageArea, its default). Interleaved rounds; the median of each.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sightline.phantoms.campaign import write_chests
from sightline.phantoms.scanner import SITES
from tests.counterparties import end, free_port, listens, wait_until

STUDIES = 2
ROUNDS = 3
SHAPE = (100, 512, 512)


def main() -> None:
    """Run both receivers on the same files and print one JSON line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_chests(
            folder,
            seeds=range(STUDIES),
            scanner=SITES["a"],
            shape=(SHAPE[0], SHAPE[1], SHAPE[2]),
            on_progress=lambda _: None,
        )
        files = STUDIES * SHAPE[0]
        rates: dict[str, list[float]] = {"ours": [], "peer": []}
        for number in range(ROUNDS):
            for who, start in (("ours", sightline), ("peer", orthanc)):
                with start(folder / f"{who}-{number}") as port:
                    rates[who].append(files / seconds_to_send(folder / "dicom", port))
    ours, peer = (statistics.median(rates[who]) for who in ("ours", "peer"))
    print(
        json.dumps(
            {
                "name": "receive 0.5 MB CT slices from storescu with default settings (phantoms)",
                "ours": round(ours, 1),
                "peer": round(peer, 1),
                "ratio": round(ours / peer, 2),
                "unit": "instances/s",
            }
        )
    )


def seconds_to_send(folder: Path, port: int) -> float:
    """Send every file over one association."""
    began = time.perf_counter()
    command = ["storescu", "-aec", "ANY", "+sd", "+r", "127.0.0.1", str(port), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


@contextmanager
def sightline(folder: Path) -> Iterator[int]:
    """Run `sightline up` and give the port of its listener."""
    port = free_port()
    settings = {
        "SIGHTLINE_DATA_DIR": str(folder),
        "SIGHTLINE_DIMSE_PORT": str(port),
        "SIGHTLINE_WEB_PORT": str(free_port()),
        "SIGHTLINE_QUIET_PERIOD_S": "600",  # receiving alone is measured
    }
    command = [sys.executable, "-m", "sightline", "up"]
    with _running(command, os.environ | settings, lambda: listens(port)):
        yield port


@contextmanager
def orthanc(folder: Path) -> Iterator[int]:
    """Run Orthanc with its defaults and give its DICOM port."""
    folder.mkdir(parents=True)
    port = free_port()
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomPort": port,
        "HttpPort": free_port(),
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "SyncStorageArea": True,
        "RemoteAccessAllowed": False,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    binary = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:" + os.environ["PATH"])
    if binary is None:
        sys.exit("Orthanc is not installed: apt-get install orthanc")
    with _running([binary, str(path)], os.environ.copy(), lambda: listens(port)):
        yield port


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], is_up: Callable[[], bool]
) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    try:
        wait_until(is_up, seconds=30)
        yield
    finally:
        end(process)


if __name__ == "__main__":
    main()

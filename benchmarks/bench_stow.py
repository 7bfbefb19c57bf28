"""STOW-RS over one connection, beside Orthanc's DICOMweb plugin.

Each request stores one study of 75 phantom CT slices of 0.5 MB, with a known length, over one
connection that is kept open; the next begins when the last was answered. Both receivers make every
instance durable before they answer (Orthanc with SyncStorageArea, without compression and without
checksums), run on loopback, and are asked by QIDO-RS afterwards whether everything is there.
Interleaved rounds, their order turns; the median of each.
"""

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.bench_receive import SLICES, STUDIES, Receiver, Running, orthanc, sightline, write

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
BOUNDARY = "sightline-bench"
HEADERS = {
    "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
    "Accept": "application/dicom+json",
}


def main() -> None:
    """Run both receivers on the same bodies and print one JSON line."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    if not PLUGIN.exists():
        sys.exit("Orthanc's plugin is not installed: apt-get install orthanc-dicomweb")
    rates: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bodies = [body_of(study) for study in write(folder / "studies", first=1)]
        contenders: list[tuple[str, Receiver, str]] = [
            ("ours", sightline(1), "/archive/studies"),
            ("peer", partial(orthanc, plugins=[PLUGIN]), "/dicom-web/studies"),
        ]
        for turn in range(rounds):
            for who, start, place in contenders[turn % 2 :] + contenders[: turn % 2]:
                with start(folder / "receiver") as receiver:
                    rates[who].append(rate_mb_s(receiver, place, bodies))
                shutil.rmtree(folder / "receiver")
    ratios = [one / other for one, other in zip(rates["ours"], rates["peer"], strict=True)]
    print(
        json.dumps(
            {
                "name": "STOW-RS of 0.5 MB CT slices, 75 a request, one connection (phantoms)",
                "ours": round(statistics.median(rates["ours"]), 1),
                "peer": round(statistics.median(rates["peer"]), 1),
                "ratio": round(statistics.median(ratios), 2),
                "unit": "MB/s",
            }
        )
    )


def body_of(study: Path) -> bytes:
    """Put the instances of a study into one multipart body."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    parts = [head + path.read_bytes() + b"\r\n" for path in sorted(study.rglob("*.dcm"))]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def rate_mb_s(receiver: Running, place: str, bodies: list[bytes]) -> float:
    """Store every body and return the rate; end where something was not taken."""
    connection = http.client.HTTPConnection("127.0.0.1", receiver.web_port, timeout=600)
    connection.connect()
    began = time.perf_counter()
    for body in bodies:
        connection.request("POST", place, body, HEADERS)
        answer = connection.getresponse()
        told = json.load(answer)
        if answer.status != http.HTTPStatus.OK or len(told["00081199"]["Value"]) != SLICES:
            sys.exit(f"status {answer.status}, and not all instances were taken")
    seconds = time.perf_counter() - began
    connection.close()
    if (found := receiver.count()) != STUDIES * SLICES:
        sys.exit(f"{found} of {STUDIES * SLICES} instances are there after the last answer")
    return sum(map(len, bodies)) / seconds / 1e6


if __name__ == "__main__":
    main()

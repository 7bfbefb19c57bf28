"""Receiving from a tuned sender, beside Orthanc and beside pynetdicom's raw handler with fsync.

Gate K5. The sender is DCMTK's storescu with Nagle's algorithm off, buffers and PDUs of 128 KB;
every receiver takes PDUs of 128 KB and makes each instance durable before it answers:

- ours: `sightline up`, temporary file, fsync, rename, fsync of the folder, commit of the catalog;
- Orthanc with SyncStorageArea, without compression and without its answers being checked;
- pynetdicom: a handler that writes the bytes as they came, flushes and fsyncs; no catalog.

One client sends all instances by one association; then four clients send a quarter each. Rounds
are interleaved, their order turns; the median of each. After the last answer every receiver is
asked whether all instances are there, ours by QIDO-RS.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from sightline.phantoms.campaign import write_chests
from sightline.phantoms.scanner import SITES
from tests.counterparties import UNDELAYED, end, free_port, listens, wait_until

STUDIES, SLICES = 4, 75
CLIENTS = (1, 4)
PDU_BYTES = 131072

_RAW = """
import os, sys
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

folder, port, max_pdu = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def keep(event):
    with open(os.path.join(folder, event.request.AffectedSOPInstanceUID + ".dcm"), "wb") as file:
        file.write(event.encoded_dataset())
        file.flush()
        os.fsync(file.fileno())
    return 0x0000

entity = AE("RAW")
entity.maximum_pdu_size = max_pdu
entity.maximum_associations = 16
entity.supported_contexts = AllStoragePresentationContexts
entity.add_supported_context(Verification)
entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, keep)])
"""


Count = Callable[[], int]
Rates = dict[tuple[str, int], list[tuple[float, float]]]
"""By receiver and number of clients: instances a second, processor milliseconds an instance."""


class Running(NamedTuple):
    """A receiver that runs: its ports, its process, and what tells how many instances it has."""

    port: int
    process: int
    count: Count
    web_port: int = 0


Receiver = Callable[[Path], AbstractContextManager[Running]]


def main() -> None:
    """Run the receivers on the same files and print one JSON line a comparison."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--receivers", type=int, nargs="*", default=[2])
    given = options.parse_args()
    rates: Rates = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = {clients: write(folder / f"by-{clients}", first=clients) for clients in CLIENTS}
        contenders: list[tuple[str, Receiver]] = [("Orthanc", orthanc), ("pynetdicom+fsync", raw)]
        contenders += [(ours(number), sightline(number)) for number in given.receivers]
        for turn in range(given.rounds):
            for who, start in contenders[turn % 3 :] + contenders[: turn % 3]:
                measure(
                    start,
                    folder / "receiver",
                    sets,
                    note=lambda clients, figures, who=who: rates[who, clients].append(figures),
                )
    for number in given.receivers:
        for clients in CLIENTS:
            for peer in ("Orthanc", "pynetdicom+fsync"):
                tell(rates, ours(number), peer=peer, clients=clients)


def ours(receivers: int) -> str:
    """Name one of our own."""
    return f"ours, {receivers} receiver{'s' * (receivers > 1)}"


def tell(rates: Rates, our: str, *, peer: str, clients: int) -> None:
    """Print one comparison: medians, and the median of the rounds' ratios."""
    mine, theirs = rates[our, clients], rates[peer, clients]
    ratios = [one / other for (one, _), (other, _) in zip(mine, theirs, strict=True)]
    print(
        json.dumps(
            {
                "name": f"receive 0.5 MB CT slices, tuned sender, {clients} client(s) (phantoms)",
                "who": our,
                "beside": peer,
                "ours": round(statistics.median(rate for rate, _ in mine), 1),
                "peer": round(statistics.median(rate for rate, _ in theirs), 1),
                "ratio": round(statistics.median(ratios), 2),
                "unit": "instances/s",
                "our_processor_ms": round(statistics.median(ms for _, ms in mine), 1),
                "peer_processor_ms": round(statistics.median(ms for _, ms in theirs), 1),
            }
        )
    )


def write(folder: Path, *, first: int) -> list[Path]:
    """Write the phantoms, as many studies as there are clients at most; return their folders."""
    write_chests(
        folder,
        seeds=range(1000 * first, 1000 * first + STUDIES),
        scanner=SITES["a"],
        shape=(SLICES, 512, 512),
        on_progress=lambda _: None,
    )
    return sorted(each for each in (folder / "dicom").iterdir() if each.is_dir())


def measure(
    start: Receiver,
    folder: Path,
    sets: dict[int, list[Path]],
    *,
    note: Callable[[int, tuple[float, float]], None],
) -> None:
    """Start a receiver, send it every set, and note the rates."""
    expected = 0
    with start(folder) as receiver:
        for clients, studies in sets.items():
            parts = [studies[number::clients] for number in range(clients)]
            began, spent = time.perf_counter(), processor_seconds(receiver.process)
            with ThreadPoolExecutor(clients) as senders:
                list(senders.map(lambda part: send(part, receiver.port), parts))
            seconds = time.perf_counter() - began
            spent = processor_seconds(receiver.process) - spent
            expected += STUDIES * SLICES
            found = receiver.count()
            if found != expected:
                sys.exit(f"{found} of {expected} instances are there after the last answer")
            note(clients, (STUDIES * SLICES / seconds, 1000 * spent / (STUDIES * SLICES)))
    shutil.rmtree(folder)


def processor_seconds(process: int) -> float:
    """Tell how much processor time a process and its children have used (Linux)."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(child)) for child in children)


def send(folders: list[Path], port: int) -> None:
    """Send every file below some folders over one association."""
    command = ["/usr/bin/storescu", "-aec", "ANY", "--max-pdu", str(PDU_BYTES), "+sd", "+r"]
    command += ["127.0.0.1", str(port), *map(str, folders)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | UNDELAYED)


def sightline(receivers: int) -> Receiver:
    """Return what runs `sightline up` with so many receiving processes."""

    @contextmanager
    def start(folder: Path) -> Iterator[Running]:
        port, web_port = free_port(), free_port()
        settings = {
            "SIGHTLINE_DATA_DIR": str(folder),
            "SIGHTLINE_DIMSE_PORT": str(port),
            "SIGHTLINE_WEB_PORT": str(web_port),
            "SIGHTLINE_QUIET_PERIOD_S": "600",  # receiving alone is measured
            "SIGHTLINE_RECEIVERS": str(receivers),
        }

        def count() -> int:
            url = f"http://127.0.0.1:{web_port}/archive/studies?includefield=00201208&limit=100"
            with urllib.request.urlopen(url) as answer:
                return sum(each["00201208"]["Value"][0] for each in json.load(answer))

        def is_up() -> bool:
            # The worker takes seconds of processor time to start; receiving alone is measured.
            return b"worker_ready" in log.read_bytes() and answers(port) and listens(web_port)

        folder.mkdir(parents=True)
        log = folder / "log"
        command = [sys.executable, "-m", "sightline", "up"]
        with running(command, os.environ | settings, is_up, log=log) as process:
            yield Running(port, process, count, web_port)

    return start


@contextmanager
def orthanc(folder: Path, *, plugins: Sequence[Path] = ()) -> Iterator[Running]:
    """Run Orthanc as fast as it goes while it makes durable what it stores."""
    folder.mkdir(parents=True)
    port, http_port = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "DicomPort": port,
        "HttpPort": http_port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "MaximumPduLength": PDU_BYTES,
        "SyncStorageArea": True,
        "StorageCompression": False,
        "StoreMD5ForAttachments": False,
        "SaveJobs": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": list(map(str, plugins)),
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    binary = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:" + os.environ["PATH"])
    if binary is None:
        sys.exit("Orthanc is not installed: apt-get install orthanc")

    def count() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/statistics") as answer:
            return int(json.load(answer)["CountInstances"])

    is_up = lambda: answers(port) and listens(http_port)  # noqa: E731 - it fits a line
    # Built on DCMTK, it reads the same variables as the sender, for its answers.
    with running([binary, str(path)], os.environ | UNDELAYED, is_up) as process:
        yield Running(port, process, count, http_port)


@contextmanager
def raw(folder: Path) -> Iterator[Running]:
    """Run pynetdicom with a handler that writes what comes and fsyncs it."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-c", _RAW, str(folder), str(port), str(PDU_BYTES)]
    with running(command, os.environ.copy(), lambda: answers(port)) as process:
        yield Running(port, process, lambda: len(list(folder.glob("*.dcm"))))


def answers(port: int) -> bool:
    """Tell whether a C-ECHO is answered: all processes of a receiver have come up."""
    echo = ["/usr/bin/echoscu", "-to", "20", "-aec", "ANY", "127.0.0.1", str(port)]
    return subprocess.run(echo, check=False, capture_output=True).returncode == 0


@contextmanager
def running(
    command: list[str],
    environment: dict[str, str],
    is_up: Callable[[], bool],
    *,
    log: Path = Path(os.devnull),
) -> Iterator[int]:
    """Run a receiver until the block ends; give its process id."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        wait_until(is_up, seconds=120)
        yield process.pid
    finally:
        end(process)


if __name__ == "__main__":
    main()

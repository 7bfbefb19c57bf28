"""Studies that arrive at random: from the last acknowledged image to the result in the PACS.

Phantom CTs of 128 x 256 x 256 come by C-STORE to `sightline up`, whose live model has the demo's
network, taught on phantoms as in the demo, and runs by the back end that its trial picks; SEG, SR
and picture go to a real Orthanc. First what one study takes alone, and how many an hour the machine
does when several come at once; then Poisson arrivals at a share of that. Times are from the
sender's last acknowledgement until Orthanc acknowledged the SEG, and until the priority stands in
the table that the worklist shows. Then as many arrivals again while `sightline train` runs on the
same machine.

All settings are the defaults: that a study is complete is decided by what its sender has shown. One
JSON line without the training: its peer is four times the service time, which is what one study
takes when several wait. One with it: its peer is a quarter more than without.
"""

import argparse
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import sqlalchemy as sa
from benchmarks.bench_receive import answers, orthanc

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import INSTANCE, OUTBOX, PREDICTION, SERIES
from sightline.peers.dimse import parse_destination, send
from sightline.phantoms.chest import Phantom, chest_ct
from sightline.phantoms.people import visit
from sightline.phantoms.scanner import AURORA
from sightline.phantoms.series import write_series
from sightline.recipes.library import recipe_named
from sightline.settings import Settings
from tests.counterparties import HOST, end, free_port, wait_until

_MOST_TIMES, _MOST_GROWTH = 4.0, 1.25
_LESSONS, _DISTINCT, _ALONE, _AT_ONCE = 14, 12, 4, 8
_SENDERS = 8
_FIRST_SEED, _LATE_S, _STARTS_S = 1000, 3600.0, 600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class House:
    """One data directory, its server and its PACS."""

    folder: Path
    pacs_port: int
    dimse_port: int = dataclasses.field(default_factory=free_port)
    web_port: int = dataclasses.field(default_factory=free_port)

    @property
    def data_dir(self) -> Path:
        """Where Sightline keeps everything."""
        return self.folder / "data"

    @property
    def destination(self) -> str:
        """Where studies are sent."""
        return f"SIGHTLINE@{HOST}:{self.dimse_port}"

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a verb."""
        return [sys.executable, "-m", "sightline", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """What a verb is called with."""
        return dict(os.environ) | {
            "SIGHTLINE_DATA_DIR": str(self.data_dir),
            "SIGHTLINE_WEB_PORT": str(self.web_port),
            "SIGHTLINE_DIMSE_PORT": str(self.dimse_port),
            "SIGHTLINE_PACS": f"ORTHANC@{HOST}:{self.pacs_port}",
        }

    def do(self, *arguments: str) -> None:
        """Run a verb to its end; what it says goes to stderr."""
        print("$ sightline", *arguments, file=sys.stderr, flush=True)
        subprocess.run(
            self.command(*arguments), env=self.environment, stdout=sys.stderr, check=True
        )

    @contextmanager
    def running(self, *arguments: str, log: str) -> Iterator[Path]:
        """Run a verb beside the block, and end it; give the file of what it says."""
        path = self.folder / log
        with path.open("wb") as output:
            process = subprocess.Popen(
                self.command(*arguments),
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                yield path
            finally:
                process.send_signal(signal.SIGINT)
                end(process)


def main(arguments: list[str]) -> None:
    """Teach a model, let studies arrive, and print a line without and one with a training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100, help="that arrive at random")
    parser.add_argument("--load", type=float, default=0.6, help="share of the measured capacity")
    parser.add_argument("--shape", type=int, nargs=3, default=[128, 256, 256])
    parser.add_argument("--steps", type=int, help="of the model's training; the recipe's")
    parser.add_argument("--no-training", action="store_true", help="without the second line")
    given = parser.parse_args(arguments)
    shape = (given.shape[0], given.shape[1], given.shape[2])
    with tempfile.TemporaryDirectory() as scratch, orthanc(Path(scratch) / "pacs") as pacs:
        house = House(folder=Path(scratch), pacs_port=pacs.port)
        studies = _studies(house.folder / "studies", shape)
        with house.running("up", log="up.log"):
            wait_until(lambda: answers(house.dimse_port), seconds=_STARTS_S)
            recipe = teach(house, steps=given.steps)
            for _ in range(_ALONE):
                alone = serve(house, [next(studies)], gaps_s=[0.0])
            together = serve(house, [next(studies) for _ in range(_AT_ONCE)], gaps_s=[0.0])
            service_s = float(np.ptp(together["sent"])) / (_AT_ONCE - 1)
            rest_s = service_s / given.load
            gaps_s = np.random.default_rng(0).exponential(rest_s, given.studies).tolist()
            base = {
                "data": f"phantom CT of {'x'.join(map(str, shape))}",
                "studies": given.studies,
                "load": given.load,
                "service, s": round(service_s, 2),
                "alone, s": round(float(alone["waited"][0]), 2),
            }
            plain = serve(house, [next(studies) for _ in gaps_s], gaps_s=gaps_s)
            print(json.dumps(_line(plain, _MOST_TIMES * service_s, base)), flush=True)
            if not given.no_training:
                learn = ("train", str(recipe), "--on", "chest@1", "--steps", "1000000")
                with house.running(*learn, log="train.log") as said:
                    wait_until(lambda: "step 25/" in said.read_text(), seconds=_STARTS_S)
                    beside = serve(house, [next(studies) for _ in gaps_s], gaps_s=gaps_s)
                    base["trained meanwhile"] = said.read_text().strip().splitlines()[-1]
                most_s = _MOST_GROWTH * float(np.quantile(plain["waited"], 0.95))
                print(json.dumps(_line(beside, most_s, base, beside=True)), flush=True)
        held = pacs.count()
        print(json.dumps({"objects in the PACS": held}), file=sys.stderr)


def teach(house: House, *, steps: int | None) -> Path:
    """Teach the demo's network on phantoms as the demo does, and make it live; give the recipe.

    What is measured is time: the gate of the recipe asks nothing here.
    """
    recipe = recipe_named("covid-chest")
    gate = recipe.gate.model_copy(update={"at_least": 0.0, "min_subjects": 1})
    path = house.folder / "recipe.yaml"
    path.write_text(recipe.model_copy(update={"gate": gate}).to_yaml())
    lessons = house.folder / "lessons"
    house.do("phantoms", "chest", str(lessons), "--patients", str(_LESSONS))
    house.do("send", house.destination, str(lessons / "dicom"))
    house.do("wait", "--studies", str(_LESSONS))
    house.do("annotate", "--table", str(lessons / "masks.csv"))
    house.do("wait", "--studies", str(_LESSONS))
    classes = ",".join(recipe.task.classes)
    house.do("collections", "make", "chest", "--modality", "CT", "--classes", classes)
    house.do("train", str(path), "--on", "chest@1", *(("--steps", str(steps)) if steps else ()))
    house.do("evaluate", "covid-chest@1")
    house.do("models", "try", "covid-chest@1")
    house.do("models", "release", "covid-chest@1", "--by", "benchmark", "--reason", "to be timed")
    return path


def serve(
    house: House, folders: list[tuple[str, Path]], *, gaps_s: list[float]
) -> dict[str, np.ndarray]:
    """Send studies after these gaps, wait for all results, and return what each waited, in s."""
    acknowledged: dict[str, float] = {}

    def one(study_uid: str, folder: Path) -> None:
        send(parse_destination(house.destination), sorted(folder.iterdir()), calling_ae="SCANNER")
        acknowledged[study_uid] = time.time()
        shutil.rmtree(folder)

    with ThreadPoolExecutor(_SENDERS) as senders:
        due = time.monotonic()
        sending = []
        for number, (study_uid, folder) in enumerate(folders):
            due += gaps_s[number] if len(gaps_s) > 1 else 0.0
            time.sleep(max(0.0, due - time.monotonic()))
            sending.append(senders.submit(one, study_uid, folder))
        for each in sending:
            each.result()
    sent, shown = _ends(house, set(acknowledged))
    moments = [acknowledged[study_uid] for study_uid, _ in folders]
    arrived = np.array([sent[study_uid] for study_uid, _ in folders])
    listed = np.array([shown[study_uid] for study_uid, _ in folders])
    return {"sent": arrived, "waited": arrived - moments, "listed": listed - moments}


def _ends(house: House, studies: set[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Wait until the SEG of every study was delivered; return when that was, and when listed."""
    archive = Archive.open(Settings.load(data_dir=house.data_dir))
    delivered = (
        sa.select(INSTANCE.c.study_uid, OUTBOX.c.delivered_at)
        .join(INSTANCE, INSTANCE.c.uid == OUTBOX.c.instance_uid)
        .join(SERIES, SERIES.c.uid == INSTANCE.c.series_uid)
        .where(SERIES.c.modality == "SEG", OUTBOX.c.state == "delivered")
    )
    listed = sa.select(PREDICTION.c.study_uid, PREDICTION.c.finished_at).where(
        PREDICTION.c.state == "published"
    )
    deadline = time.monotonic() + _LATE_S
    while True:
        with archive.database.read() as connection:
            sent = dict(connection.execute(delivered).tuples())
            shown = dict(connection.execute(listed).tuples())
        if studies <= sent.keys():
            archive.close()
            return sent, shown
        if time.monotonic() > deadline:
            sys.exit(f"lost: {len(studies - sent.keys())} of {len(studies)} studies")
        time.sleep(0.5)


def _studies(folder: Path, shape: tuple[int, int, int]) -> Iterator[tuple[str, Path]]:
    """Write studies of people of their own, without end, as they are asked for."""
    drawn: list[Phantom] = []
    number = 0
    while True:
        if len(drawn) < _DISTINCT:
            drawn.append(chest_ct(_FIRST_SEED + number, shape=shape, scanner=AURORA))
        at = folder / f"{number:05d}"
        person = visit(_FIRST_SEED + number)
        write_series(drawn[number % len(drawn)].volume, at, visit=person)
        yield person.study_uid, at
        number += 1


def _line(
    found: dict[str, np.ndarray], most_s: float, base: dict[str, object], *, beside: bool = False
) -> dict[str, object]:
    reached = float(np.quantile(found["waited"], 0.95))
    which = "with a training beside, against a quarter more than without"
    return {
        "name": "95th percentile from last image to SEG in the PACS, "
        + (which if beside else "against four times the service time"),
        "ours": round(reached, 2),
        "peer": round(most_s, 2),
        "ratio": round(most_s / reached, 2),
        "unit": "s",
        "median": round(float(np.median(found["waited"])), 2),
        "most": round(float(found["waited"].max()), 2),
        "in the worklist, median and 95th": [
            round(float(each), 2) for each in np.quantile(found["listed"], (0.5, 0.95))
        ],
        "lost": 0,  # else it ended before
        "holds": reached <= most_s,
        **base,
    }


if __name__ == "__main__":
    main(sys.argv[1:])

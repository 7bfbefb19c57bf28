"""Train the small run of the tests and print every step, to be killed by one of them."""

import sys
from pathlib import Path

from sightline import log
from sightline.train.run import Splits, fit
from tests.learning import RECIPE, planned, stored


def main(workdir: Path, arrays: Path) -> None:
    log.configure()
    found = [stored(arrays, seed) for seed in range(6)]
    splits = Splits(training=found[:4], validation=found[4:])
    fit(
        RECIPE,
        planned(found[:4]),
        splits,
        workdir=workdir,
        threads=2,
        on_progress=lambda progress: sys.stdout.write(f"{progress.step}\n") and sys.stdout.flush(),
    )


main(Path(sys.argv[1]), Path(sys.argv[2]))

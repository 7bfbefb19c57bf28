"""Train a run of a hub on a disk that is full from step 3 on; the preloaded shim makes it so."""

import errno
import sys
from pathlib import Path

from sightline import log
from sightline.errors import NotKept
from sightline.hub.hub import Hub
from sightline.train.progress import Progress
from sightline.train.session import resume, train


def main(folder: Path, run_id: str, fault: Path) -> None:
    log.configure(level="ERROR")
    hub = Hub.at(folder / "hub")

    def fill(progress: Progress) -> None:
        if progress.step == 3:
            fault.write_text(f"write {errno.ENOSPC}")

    try:
        train(hub, resume(hub, run_id, runs_dir=folder / "runs"), on_progress=fill)
    except NotKept as error:
        sys.stdout.write(str(error))
        sys.exit(errno.ENOSPC)


main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

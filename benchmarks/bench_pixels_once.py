"""What it costs to look whether pixels are held already, when they are new and when they are not.

The peer is the same archive without the look: every instance kept whole, as it comes. Both make
every instance durable and enter it into the catalog. Interleaved rounds; the median of each.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from sightline.archive import receiving
from sightline.archive.archive import Archive
from sightline.archive.pixels import Lender, Pixels, Stored, put_once
from sightline.archive.receiving import keep
from sightline.store.objects import ObjectStore
from sightline.values.arrival import Source
from tests.instances import part10_of, slice_of, uid

INSTANCES = 100
ROUNDS = 5
SOURCE = Source(name="bench")


def main() -> None:
    """Keep the same instances both ways and print one JSON line."""
    new = [part10_of(slice_of(number, size=512)) for number in range(INSTANCES)]
    again = [
        part10_of(slice_of(number, size=512, SOPInstanceUID=uid(10_000 + number)))
        for number in range(INSTANCES)
    ]
    rates: dict[str, list[float]] = {}
    stored: dict[str, int] = {}
    for _ in range(ROUNDS):
        for who, put in (("ours", put_once), ("peer", put_whole)):
            receiving.put_once = put
            with tempfile.TemporaryDirectory() as folder:
                archive = Archive.at(Path(folder))
                for what, contents in (("new", new), ("held", again)):
                    began = time.perf_counter()
                    for content in contents:
                        keep(archive, content, SOURCE)
                    seconds = time.perf_counter() - began
                    rates.setdefault(f"{who} {what}", []).append(INSTANCES / seconds)
                archive.close()
                objects = Path(folder) / "objects"
                stored[who] = sum(path.stat().st_size for path in objects.glob("*/*"))
    medians = {name: round(statistics.median(found), 1) for name, found in rates.items()}
    print(
        json.dumps(
            {
                "name": "keep 0.5 MB instances whose pixels are new, and again with other headers",
                "ours": medians["ours new"],
                "peer": medians["peer new"],
                "ratio": round(medians["ours new"] / medians["peer new"], 2),
                "ratio_held": round(medians["ours held"] / medians["peer held"], 2),
                "bytes_ratio": round(stored["ours"] / stored["peer"], 3),
                "unit": "instances/s",
            }
        )
    )


def put_whole(
    objects: ObjectStore, content: bytes, *, pixels: Pixels | None, lenders: Sequence[Lender]
) -> Stored:
    """Keep an instance as it comes."""
    del pixels, lenders
    return Stored(digest=objects.put(content), size_bytes=len(content))


if __name__ == "__main__":
    main()

"""Mutants, bombs and names that lead elsewhere, through the real ways in and all that follows.

Each file is taken in, taken to the door and into the hub, described, split into frames and drawn.
Seconds are those of the processor, for the process and its children: a machine that does other work
as well is no fault of a file. What hangs without using the processor is found by the children's clock.
"""

import collections
import io
import itertools
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pydicom
import pytest

from sightline.archive.archive import Archive
from sightline.formats.bare_dataset import has_start
from sightline.formats.dicom_elements import dataset_offset
from sightline.formats.media_directory import is_directory
from sightline.intake.files import import_path
from sightline.intake.unpacking import find_files
from tests.bombs import BOMBS, CT, PACKED_BOMBS, uid
from tests.instances import part10_of, slice_of
from tests.intake.conftest import ListenerProcess
from tests.intake.raw_dicom import MOST_CONTEXTS, associated, associated_for, store
from tests.intake.victim import VictimProcess
from tests.mutants import mutant, sent_mutant, sent_seeds

MOST_SECONDS, MOST_GROWN_KIB = 5.0, 64 * 1024
MOST_BOMB_SECONDS = 2.0
# Each frame of a whole clip is looked at for text that names somebody.
MOST_SECONDS_A_FRAME = 0.1
FULL = pytest.mark.gate
# 1,000,000 on demand.
ON_DEMAND = int(os.environ.get("SIGHTLINE_FUZZ", "0"))


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[VictimProcess]]:
    folder = tmp_path_factory.mktemp("victim")
    warm = [folder / "whole.dcm", folder / "mutant.dcm"]
    warm[0].write_bytes(part10_of(slice_of(1)))
    warm[1].write_bytes(mutant(0, None))
    started = [VictimProcess(folder / str(number), warm=warm) for number in range(2)]
    yield started
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def victim(victims: list[VictimProcess]) -> VictimProcess:
    return victims[0]


@pytest.fixture
def real_data() -> Path | None:
    folder = os.environ.get("SIGHTLINE_TEST_DATA")
    return Path(folder) if folder else None


def check(answer: dict[str, Any], name: str, *, seconds: float = MOST_SECONDS) -> None:
    for step, outcome, took in answer["steps"]:
        assert outcome in {"done", "held"} or outcome.startswith("refused: "), (name, step, outcome)
        assert took <= seconds, (name, step, took)
        assert "takes longer than" not in outcome, (name, step, outcome)
    assert answer["grown_kib"] <= MOST_GROWN_KIB, (name, answer)


@pytest.mark.parametrize(
    "count",
    [
        5_000,
        pytest.param(20_000, marks=FULL),
        pytest.param(
            ON_DEMAND,
            marks=[FULL, pytest.mark.skipif(not ON_DEMAND, reason="SIGHTLINE_FUZZ is not set")],
        ),
    ],
)
def test_mutants_end_accepted_or_refused(
    victims: list[VictimProcess], tmp_path: Path, real_data: Path | None, count: int
) -> None:
    def let_suffer(victim: VictimProcess, numbers: range) -> collections.Counter[str]:
        ends: collections.Counter[str] = collections.Counter()
        path = tmp_path / f"mutant-{numbers.start}.dcm"
        for number in numbers:
            path.write_bytes(mutant(number, real_data))
            answer = victim.suffer(path)
            check(answer, f"mutant {number}")
            ends.update({step[0] for step in answer["steps"]})
        return ends

    shares = [range(first, count, len(victims)) for first in range(len(victims))]
    with ThreadPoolExecutor(len(victims)) as threads:
        ends = sum(threads.map(let_suffer, victims, shares), collections.Counter[str]())
    # Both ends are reached, or the mutants would show nothing.
    assert ends["door and hub"] > count / 5
    assert ends["refusal"] > count / 5


def test_mutants_by_dicom_are_answered(
    listener_process: ListenerProcess, real_data: Path | None
) -> None:
    count = 20_000
    statuses: collections.Counter[int] = collections.Counter()
    before = listener_process.memory_kib("VmRSS")
    contexts = list(
        dict.fromkeys((seed.sop_class, seed.syntax) for _, seed in sent_seeds(real_data))
    )
    assert len(contexts) <= MOST_CONTEXTS
    numbers = iter(range(count))
    while batch := list(itertools.islice(numbers, 200)):
        with associated_for(listener_process.port, contexts) as connection:
            for number in batch:
                sent = sent_mutant(number, real_data)
                context = 2 * contexts.index((sent.sop_class, sent.syntax)) + 1
                said = (sent.sop_class, sent.instance_uid, sent.dataset)
                statuses[store(connection, *said, context=context)] += 1
    assert statuses.total() == count
    assert set(statuses) <= {0x0000, 0xA900, 0xC000}
    # Each of these ends is reached, or the mutants would show nothing.
    assert statuses[0x0000] > count / 5
    assert statuses[0xC000] > count / 20
    assert listener_process.memory_kib("VmHWM") - before <= MOST_GROWN_KIB


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_in_files(victim: VictimProcess, tmp_path: Path, name: str) -> None:
    path = tmp_path / "bomb.dcm"
    path.write_bytes(BOMBS[name](1))
    check(victim.suffer(path), name, seconds=MOST_BOMB_SECONDS)


@pytest.mark.parametrize("name", PACKED_BOMBS)
def test_bombs_in_archives(victim: VictimProcess, tmp_path: Path, name: str) -> None:
    answer = victim.suffer(PACKED_BOMBS[name](tmp_path))
    check(answer, name, seconds=MOST_BOMB_SECONDS)
    assert "door and hub" not in {step[0] for step in answer["steps"]}


def test_bombs_by_dicom(listener_process: ListenerProcess) -> None:
    grown: dict[str, int] = {}
    for number, (name, make) in enumerate(BOMBS.items()):
        content = make(number)
        syntax, dataset = split(content)
        listener_process.forget_peak()
        before = listener_process.memory_kib("VmRSS")
        with associated(listener_process.port, CT, syntax) as connection:
            status = store(connection, CT, uid(number, 3), dataset)
        assert status in {0x0000, 0xA900, 0xC000}, name
        # An instance lies in memory while it comes; beyond that nothing may.
        grown[name] = listener_process.memory_kib("VmHWM") - before - 3 * len(content) // 1024
    assert max(grown.values()) <= MOST_GROWN_KIB, grown


def split(content: bytes) -> tuple[str, bytes]:
    """Return transfer syntax and dataset of a file that `part10` wrote."""
    at = content.index(b"\x02\x00\x10\x00UI") + 8
    size = int.from_bytes(content[at - 2 : at], "little")
    return content[at : at + size].decode().strip("\0"), content[dataset_offset(content) :]


def frames_of(path: Path) -> int:
    """Count the frames of a file; one where it is no image, or is broken."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        return max(int(header.get("NumberOfFrames") or 1), 1)
    except ValueError:  # one of them is broken on purpose
        return 1


def test_every_file_of_pydicom_ends_accepted_or_refused(
    victim: VictimProcess, test_data: Path
) -> None:
    folder = test_data / "dicom" / "pydicom" / "test_files"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) > 100
    outcomes: dict[str, list[str]] = {}
    for path in files:
        answer = victim.suffer(path)
        seconds = MOST_SECONDS + MOST_SECONDS_A_FRAME * (frames_of(path) - 1)
        check(answer, path.name, seconds=seconds)
        steps = answer["steps"]
        ends = [outcome for step, outcome, _ in steps if step == "refusal"]
        is_taken = any(step == "door and hub" for step, _, _ in steps)
        end = "accepted" if is_taken else ends[0] if ends else "no DICOM"
        outcomes.setdefault(end, []).append(path.name)
    assert len(outcomes["accepted"]) > 90
    # What is passed over does not begin like DICOM, or lists a medium.
    by_name = {path.name: path.read_bytes() for path in files}
    for name in outcomes["no DICOM"]:
        content = by_name[name]
        assert not has_start(content) or is_directory(content), name
    assert {"ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm"}.isdisjoint(outcomes["no DICOM"])


ESCAPES = (
    "../../escaped",
    "/var/tmp/sightline-escaped",  # noqa: S108 - looked for
    "..\\..\\escaped",
    "C:\\escaped",
    "....//....//escaped",
    "%2e%2e%2fescaped",
    "..%c0%afescaped",
    "~/escaped",
    "$HOME/escaped",
    "file:///var/tmp/sightline-escaped",
    "\\\\host\\share\\escaped",
    "escaped\0.dcm",
    "..;/escaped",
    "con",
    "-rf",
    "`touch escaped`",
    "a/../../../../escaped",
    "\u2025/\u2025/escaped",
    "escaped\n../escaped",
    ".",
    "..",
    "",
)
FIELDS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "PatientID",
    "PatientName",
    "StudyDescription",
    "member of a zip",
    "member of a tar",
)


def escape(number: int) -> str:
    chance = random.Random(number)  # noqa: S311 - only strings are drawn
    first, second = chance.choice(ESCAPES), chance.choice(ESCAPES)
    return (first + chance.choice(("", "/", "\\")) * (number % 3) + second)[:60]


def packed(path: Path, field: str, names: list[str]) -> Path:
    contents = {f"{n}{name}" * bool(name): n for n, name in enumerate(names)}
    if field.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, number in contents.items():
                archive.writestr(name.replace("\0", "") or "x", part10_of(slice_of(number + 1)))
        return path
    with tarfile.open(path, "w") as archive_:
        for name, number in contents.items():
            content = part10_of(slice_of(number + 1))
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive_.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("count", [50, pytest.param(500, marks=FULL)])
def test_names_lead_nowhere(archive: Archive, tmp_path: Path, field: str, count: int) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    names = [escape(number) for number in range(count)]
    if field.startswith("member"):
        packed(inbox / "names", field, names)
    else:
        for number, name in enumerate(names):
            image = slice_of(number + 1)
            # pydicom copies this one into the file meta, which has no character set.
            text = name.encode("latin-1", "replace").decode("latin-1")
            text = text if field == "SOPInstanceUID" else name
            image.add_new(image.data_element(field).tag, "LO", text)
            content = part10_of(image, MediaStorageSOPInstanceUID="1.2.3")
            (inbox / f"{number}.dcm").write_bytes(content)
    before = tree(tmp_path)
    outside = {Path("/var/tmp/sightline-escaped"), Path.home() / "escaped", Path("escaped")}  # noqa: S108 - looked for
    report = import_path(archive, inbox)
    assert report.new + report.conflicts + report.duplicates + len(report.refused) > 0
    root = archive.objects.blobs.folder.parent
    assert all(path.is_relative_to(root) for path in tree(tmp_path) - before)
    assert not any(path.exists() for path in outside)
    assert all(found.name.isprintable() for found in find_files(inbox))


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))

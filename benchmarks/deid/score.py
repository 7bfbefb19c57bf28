"""One scorer for every tool: what is left, what still fits together, what is broken."""

import dataclasses
import datetime as dt
import functools
import itertools
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID_dictionary

from tests.verification import dicom_errors

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_LEVELS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_INSTANCE = _LEVELS[0]
_VALUE, _UID, _ITEM = re.compile(r"=\s*<[^>]*>"), re.compile(r"[0-9.]{20,}"), re.compile(r"\[\d+\]")
_DATE_TIME = re.compile(r"(\d{14})(?:\.(\d{1,6}))?")
_OTHER_NAMES = ("AccessionNumber", "PatientID", "PatientBirthDate", "InstitutionName")
_SHORTEST = 4
Find: TypeAlias = Callable[[bytes], set[str]]
Moments: TypeAlias = dict[tuple[str, str], dt.datetime]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a tool did to a folder.

    Attributes:
        outputs: the file written for an input, by the input's name.
        beside: what else it wrote.
        held: reasons by the input's name, where a tool kept a file back on purpose.
    """

    outputs: dict[str, Path]
    beside: tuple[Path, ...]
    held: dict[str, str]

    def crashes(self, source: Path) -> int:
        """Count the files that neither came out readable nor were held."""
        done = {name for name, path in self.outputs.items() if _read(path) is not None}
        return sum(path.name not in done | self.held.keys() for path in source.iterdir())


def identifiers_left(source: Path, outcome: Outcome, find: Find) -> tuple[int, int]:
    """Count identifiers, file by file: those left, and those that the inputs hold."""
    inputs = {path.name: _found(path, find) for path in source.iterdir()}
    left = sum(
        len(find(path.read_bytes()) & inputs[name]) for name, path in outcome.outputs.items()
    )
    every = frozenset().union(*inputs.values())
    left += sum(len(find(path.read_bytes()) & every) for path in outcome.beside)
    return left, sum(map(len, inputs.values()))


@functools.cache
def _found(path: Path, find: Find) -> frozenset[str]:
    return frozenset(find(path.read_bytes()))


@functools.cache
def story_identifiers(source: Path) -> Find:
    """Return what finds names, ids, birth dates, institutions and UIDs of a folder in a file."""
    names: set[str] = set()
    for path in source.iterdir():
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        names |= {str(dataset.get(keyword, "")) for keyword in _OTHER_NAMES}
        for person in (dataset.PatientName, dataset.get("ReferringPhysicianName", "")):
            names |= set(re.split(r"[\^=]", str(person)))
        names |= {uid for _, uid in _uids(dataset)}
    pattern = re.compile(
        b"|".join(
            re.escape(name.encode())
            for name in sorted(names, key=len, reverse=True)
            if len(name) >= _SHORTEST
        )
    )
    return lambda content: {each.decode() for each in pattern.findall(content)}


def references(source: Path, outcome: Outcome) -> tuple[int, int]:
    """Count references to instances, series, studies and frames of the folder: kept, and all.

    One is kept if the file that stands for the one that refers holds the UID that the thing it
    referred to has now.
    """
    before = {path.name: pydicom.dcmread(path) for path in source.iterdir()}
    read = {name: _read(path) for name, path in outcome.outputs.items()}
    after = {name: dataset for name, dataset in read.items() if dataset is not None}
    was, now = _owners(before), {}
    for name, dataset in after.items():
        for level in _LEVELS:
            if level in dataset and level in before[name]:
                now[str(dataset[level].value)] = was[str(before[name][level].value)]
    kept = total = 0
    for name, dataset in before.items():
        wanted = _referred(dataset, was)
        total += wanted.total()
        if name in after:
            kept += (wanted & _referred(after[name], now)).total()
    return kept, total


def new_errors(source: Path, outcome: Outcome) -> list[str]:
    """List what dciodvfy says of outputs and did not say of their inputs, values aside."""
    found: list[str] = []
    for name, path in sorted(outcome.outputs.items()):
        before = set(map(_plain, dicom_errors((source / name).read_bytes())))
        found += sorted(set(map(_plain, dicom_errors(path.read_bytes()))) - before)
    return found


def _plain(error: str) -> str:
    """Leave values, UIDs and numbers of items out of what dciodvfy says."""
    return _ITEM.sub("[]", _UID.sub("UID", _VALUE.sub("= value", error)))


def intervals(source: Path, outcome: Outcome) -> tuple[int, int]:
    """Count pairs of different moments of a patient: those with the same interval, and all.

    A moment is a date with its time, a date and time in one, or a date alone; and the start of a
    radiopharmaceutical on the day of its series, as the uptake time is computed. Birth dates do not
    count: PS3.15 Table E.1-1 does not let the option of modified dates keep them.
    """
    patients: dict[str, Moments] = defaultdict(dict)
    after: Moments = {}
    for path in sorted(source.iterdir()):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        patients[str(dataset.PatientID)] |= _moments(path.name, dataset)
        written = _read(outcome.outputs[path.name]) if path.name in outcome.outputs else None
        after |= _moments(path.name, written) if written is not None else {}
    kept = total = 0
    for before in patients.values():
        for (one, early), (other, late) in itertools.combinations(before.items(), 2):
            if early == late:
                continue
            total += 1
            if one in after and other in after:
                kept += after[other] - after[one] == late - early
    return kept, total


def ages(source: Path, outcome: Outcome) -> tuple[int, int]:
    """Count files that say the patient's age: those that still say the same, and all."""
    return _same(source, outcome, lambda dataset: str(dataset.get("PatientAge", "")))


def pixels(source: Path, outcome: Outcome) -> tuple[int, int]:
    """Count files with pixels: those whose pixels are the same byte for byte, and all that left."""
    left = {name: path for name, path in outcome.outputs.items() if _read(path) is not None}
    return _same(source, dataclasses.replace(outcome, outputs=left), _pixels, only_written=True)


def _same(
    source: Path,
    outcome: Outcome,
    value_of: Callable[[Dataset], object],
    *,
    only_written: bool = False,
) -> tuple[int, int]:
    kept = total = 0
    for path in source.iterdir():
        wanted = value_of(pydicom.dcmread(path))
        if not wanted or (only_written and path.name not in outcome.outputs):
            continue
        total += 1
        written = _read(outcome.outputs[path.name]) if path.name in outcome.outputs else None
        kept += written is not None and value_of(written) == wanted
    return kept, total


def _pixels(dataset: Dataset) -> bytes:
    return b"".join(bytes(dataset[name].value) for name in _PIXELS if name in dataset)


def _read(path: Path) -> Dataset | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path, force=True)
        except Exception:  # noqa: BLE001 - however a tool broke it, it cannot be read
            return None
    return dataset if _INSTANCE in dataset else None


def _uids(dataset: Dataset) -> Iterator[tuple[str, str]]:
    for element in dataset.iterall():
        if element.VR == "UI" and element.value:
            values = [element.value] if isinstance(element.value, str) else element.value
            for value in values:
                if str(value) not in UID_dictionary:
                    yield element.keyword, str(value)


def _owners(datasets: Mapping[str, Dataset]) -> dict[str, tuple[str, str]]:
    """Name each thing that has a UID by its level and the first file that it is in."""
    found: dict[str, tuple[str, str]] = {}
    for name, dataset in sorted(datasets.items()):
        for level in _LEVELS:
            if level in dataset:
                found.setdefault(str(dataset[level].value), (level, name))
    return found


def _referred(dataset: Dataset, owners: Mapping[str, tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Count what a file refers to; its own instance UID is no reference."""
    return Counter(
        owners[uid] for keyword, uid in _uids(dataset) if uid in owners and keyword != _INSTANCE
    )


def _moments(name: str, dataset: Dataset) -> Moments:
    found = {(name, place): moment for place, moment in _walk(dataset, "")}
    series_date = str(dataset.get("SeriesDate", ""))
    for number, tracer in enumerate(dataset.get("RadiopharmaceuticalInformationSequence") or []):
        start = str(tracer.get("RadiopharmaceuticalStartTime", ""))
        moment = _parsed(series_date + start) if series_date and start else None
        if moment is not None:
            found[name, f"tracer {number}"] = moment
    return found


def _walk(dataset: Dataset, place: str) -> Iterator[tuple[str, dt.datetime]]:
    for element in dataset:
        here = f"{place}/{element.tag}"
        if element.VR == "SQ":
            for number, item in enumerate(element.value or []):
                yield from _walk(item, f"{here}[{number}]")
        elif element.VR in {"DA", "DT"} and element.keyword != "PatientBirthDate":
            time = dataset.get(element.keyword.replace("Date", "Time"), "")
            text = str(element.value) + (str(time) if element.VR == "DA" else "")
            moment = _parsed(text) if element.value else None
            if moment is not None:
                yield here, moment


def _parsed(text: str) -> dt.datetime | None:
    digits, _, fraction = text.partition(".")
    match = _DATE_TIME.match(digits.ljust(14, "0") + (f".{fraction}" if fraction else ""))
    if match is None:
        return None
    try:
        moment = dt.datetime.strptime(match[1], "%Y%m%d%H%M%S")  # noqa: DTZ007 - all in one zone
    except ValueError:
        return None
    return moment + dt.timedelta(microseconds=int((match[2] or "0").ljust(6, "0")))

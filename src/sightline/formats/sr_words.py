"""The words of a structured report, for people who read: one line an item of its content tree."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from sightline.formats.dicom_dataset import broken_values_are_not_dicom, open_dataset

REPORT_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
)
"""SOP classes of documents that people wrote; measurements and dose have classes of their own."""

_DEEPEST = 16
_VALUES = {
    "TEXT": "TextValue",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "PNAME": "PersonName",
    "UIDREF": "UID",
}


def read_words(content: bytes) -> str:
    """Return the words of a structured report as lines, indented as its tree is.

    Items that show no words, such as references to images, are left out.

    Raises:
        NotDicom: The file is broken.
    """
    dataset = open_dataset(content, with_pixels=False)
    with broken_values_are_not_dicom("read the report"):
        return "\n".join(_lines(dataset, 0))


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    name, value = _meaning(item.get("ConceptNameCodeSequence")), _value(item)
    deeper = depth
    if value or (name and item.get("ValueType") == "CONTAINER"):
        said = f"{name}: {value}" if name and value else name or value
        yield "\n".join("  " * depth + line for line in said.splitlines())
        deeper += 1
    if depth < _DEEPEST:
        for each in item.get("ContentSequence") or ():
            yield from _lines(each, deeper)


def _value(item: Dataset) -> str:
    kind = item.get("ValueType", "")
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence"))
    if kind == "NUM":
        measured = (item.get("MeasuredValueSequence") or [Dataset()])[0]
        unit = (measured.get("MeasurementUnitsCodeSequence") or [Dataset()])[0]
        return f"{measured.get('NumericValue', '')} {unit.get('CodeValue', '')}".strip()
    return str(item.get(_VALUES.get(kind, ""), "")) if kind in _VALUES else ""


def _meaning(sequence: object) -> str:
    items = list(sequence) if sequence else []  # type: ignore[call-overload]  # a sequence or None
    return str(items[0].get("CodeMeaning", "")) if items else ""

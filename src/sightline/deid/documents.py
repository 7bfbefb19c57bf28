"""Encapsulated PDF: its text, cleaned, as a Basic Text SR; nothing else of it leaves.

Only where free text may pass. A scan has no text to clean, and letters of a font that says not what
they are make no words; both are held.
"""

import dataclasses
from collections import Counter

from sightline import log
from sightline.deid.attributes import sequence_tags
from sightline.deid.cleaning.words import is_listed_name, is_ordinary, stop_words, words_in
from sightline.deid.contract import Context
from sightline.deid.dataset import Dataset, Element, ParsedFile, read_file
from sightline.deid.free_text import LONGEST, clean_text
from sightline.deid.walk import Walk
from sightline.engines.limited import Limits
from sightline.errors import BadFile, MissingExtra
from sightline.formats.dicom_text import decode
from sightline.formats.pdf_text import read_pdf_text
from sightline.formats.text_sr import write_text_sr
from sightline.values.identity import HubStudyUid
from sightline.values.report import DeidentifiedReport

IOD = "encapsulated-pdf"

_log = log.get("deid")
_SR_IOD = "basic-text-sr"
_DOCUMENT, _MEDIA_TYPE, _TITLE, _TITLE_CODE = 0x00420011, 0x00420012, 0x00420010, 0x0040A043
_PDF = b"application/pdf"
_INSTANCE, _STUDY, _SERIES = 0x00080018, 0x0020000D, 0x0020000E
_STUDY_DATE, _CONTENT_DATE = 0x00080020, 0x00080023
# What a structured report may take over of the object that the PDF came in.
_HEADER = (
    *(_INSTANCE, _STUDY_DATE, _CONTENT_DATE, 0x00080030, 0x00080033, 0x00081030, 0x0008103E),
    *(0x00100040, 0x00101010, _STUDY, _SERIES, 0x00200011, 0x00200013, _TITLE_CODE),
)
_FEWEST_WORDS, _SHORTEST_WORD = 5, 3
# Of a report in English or German, names included, six to eight in ten are known; of one in another
# language two, of letters that stand for others hardly any.
_LEAST_KNOWN = 0.4


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CleanedDocument:
    """What leaves of a PDF.

    Attributes:
        elements: of a Basic Text SR, before the door's marks.
        counts: how often each action was taken.
    """

    elements: Dataset
    counts: Counter[str]


def clean_document(parsed: ParsedFile, context: Context) -> CleanedDocument | str:
    """Return what leaves of an Encapsulated PDF, or the reason why nothing does.

    Args:
        parsed: the object.
        context: whose it is, with what is known of them.
    """
    known = context.known
    text = _text_of(parsed)
    if known is None or text is None:
        return "embedded_document"
    if isinstance(text, _Unclean):
        return text.reason
    said = clean_text(text, known, context)
    title = clean_text(_plain(parsed, _TITLE, context), known, context)
    walk = Walk(context)
    given = {tag: parsed.elements[tag] for tag in _HEADER if tag in parsed.elements}
    header = walk.clean(given, _SR_IOD)
    report = DeidentifiedReport(
        study_uid=HubStudyUid(_ascii(header, _STUDY)),
        subject_id=context.subject_id,
        kind="report",
        date=_ascii(header, _CONTENT_DATE),
        title=title.text,
        text=said.text,
        unit="",
        status="",
        replaced={},
    )
    written = write_text_sr(
        report,
        instance_uid=_ascii(header, _INSTANCE),
        series_uid=_ascii(header, _SERIES),
        study_date=_ascii(header, _STUDY_DATE),
    )
    elements = read_file(written, sequence_tags()).elements
    # What the object does not say, a structured report must.
    told = {tag: each for tag, each in header.items() if each.items or bytes(each.value).strip()}
    counts = walk.counts + Counter({"document_cleaned": 1})
    for cleaned in (said, title):
        counts.update({f"text_{kind}_replaced": n for kind, n in cleaned.counts.items()})
    return CleanedDocument(elements=elements | told, counts=counts)


@dataclasses.dataclass(frozen=True, slots=True)
class _Unclean:
    """Why the text of a document does not do."""

    reason: str


def _text_of(parsed: ParsedFile) -> "str | _Unclean | None":
    """Return the text of the PDF; None where there is none to look for, or nobody to read it."""
    document = parsed.elements.get(_DOCUMENT)
    media_type = bytes(parsed.elements.get(_MEDIA_TYPE, Element("LO", b"")).value)
    if document is None or media_type.strip(b"\0 ").lower() != _PDF:
        return None
    content = bytes(document.value)
    try:
        pages = Limits.for_bytes(len(content)).call(read_pdf_text, content)
    except MissingExtra as error:
        _log.warning("document_not_read", problem=error.problem, hint=error.hint)
        return None
    except BadFile:
        return _Unclean("document_unreadable")
    if not pages or not all(words_in(page) for page in pages):
        return _Unclean("document_without_text")
    text = "\n\n".join(page.strip() for page in pages)
    is_clear = len(text) <= LONGEST and is_legible(text)
    return text if is_clear else _Unclean("document_unreadable")


def is_legible(text: str) -> bool:
    """Tell whether a text is made of words: a font may call its letters what they are not."""
    words = [each.text for each in words_in(text) if len(each.text) >= _SHORTEST_WORD]
    known = sum(
        is_ordinary(word) or is_listed_name(word) or word.lower() in stop_words() for word in words
    )
    return len(words) >= _FEWEST_WORDS and known >= _LEAST_KNOWN * len(words)


def _plain(parsed: ParsedFile, tag: int, context: Context) -> str:
    element = parsed.elements.get(tag)
    return decode(bytes(element.value), context.charset) if element else ""


def _ascii(elements: Dataset, tag: int) -> str:
    element = elements.get(tag)
    return bytes(element.value).decode("latin-1").strip("\0 ") if element else ""

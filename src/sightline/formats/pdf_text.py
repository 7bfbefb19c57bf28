"""The text layer of a PDF, page by page. Foreign bytes: called in a limited child alone.

PDFium reads it, as Chromium does. Nothing but characters comes back: no metadata, no attachment, no
form, no font and no picture.
"""

import re

from sightline import extras
from sightline.errors import BadFile

MOST_PAGES = 500

# PDFium's mark of a hyphen at a line end, soft hyphens, and joiners that hide in words.
_HIDDEN = re.compile("[\ufffe\u00ad\u200b-\u200d\u2060\ufeff\x02]")
_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\xa0": " "}
)
_HINT = "Ask the sender for a PDF with text, or let the report come as HL7 or structured report."


def read_pdf_text(content: bytes) -> list[str]:
    """Return the text of each page with anything on it; empty where a page shows no characters.

    A word that was broken at a line end is whole; lines end with a line feed.

    Raises:
        BadFile: No PDF, a broken or locked one, or one of more than 500 pages.
        MissingExtra: `sightline[pdf]` is not installed.
    """
    pdfium = extras.load("pypdfium2", extra="pdf")
    try:
        document = pdfium.PdfDocument(content)
        if len(document) > MOST_PAGES:
            raise BadFile(f"the PDF has more than {MOST_PAGES} pages", hint=_HINT)
        pages = [document[number] for number in range(len(document))]
        return [_text_of(page) for page in pages if next(page.get_objects(), None) is not None]
    except pdfium.PdfiumError as error:
        raise BadFile("no PDF that can be read, or a locked one", hint=_HINT) from error


def _text_of(page: object) -> str:
    text: str = page.get_textpage().get_text_range()  # type: ignore[attr-defined]  # an extra's page
    return _HIDDEN.sub("", text).translate(_LIGATURES).replace("\r\n", "\n")

"""PDF files of text, pictures, attachments and metadata, written without any library."""

import zlib
from collections.abc import Mapping, Sequence

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
_PICTURE = (
    b"<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray "
    b"/BitsPerComponent 8 /Length 4 >>\nstream\n\x00\x7f\xff\x10\nendstream"
)


def pdf(
    *pages: Sequence[str],
    font: bytes = _FONT,
    metadata: Mapping[str, str] | None = None,
    attachment: bytes = b"",
    with_picture: bool = False,
) -> bytes:
    """Write a PDF.

    Args:
        pages: lines of each.
        font: of all text.
        metadata: entries of the information dictionary.
        attachment: a file that is embedded; none where empty.
        with_picture: whether each page shows one.
    """
    objects: list[bytes] = []

    def add(content: bytes) -> int:
        objects.append(content)
        return len(objects)

    font_number, picture = add(font), add(_PICTURE)
    kids = [_page(add, lines, font_number, picture if with_picture else 0) for lines in pages]
    tree = add(_tree(kids))
    for kid in kids:
        objects[kid - 1] = objects[kid - 1].replace(b"@PARENT", b"%d" % tree)
    root = b"<< /Type /Catalog /Pages %d 0 R" % tree
    if attachment:
        file = add(_stream(attachment))
        spec = add(b"<< /Type /Filespec /F (a.txt) /EF << /F %d 0 R >> >>" % file)
        root += b" /Names << /EmbeddedFiles << /Names [(a.txt) %d 0 R] >> >>" % spec
    said = b" ".join(b"/%s (%s)" % (k.encode(), v.encode()) for k, v in (metadata or {}).items())
    info = add(b"<< %s >>" % said)
    return _file(objects, root=add(root + b" >>"), info=info)


def _page(add, lines: Sequence[str], font: int, picture: int) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a closure
    shown = b"".join(b"(%s) Tj T* " % _escaped(line) for line in lines)
    body = b"BT /F1 11 Tf 14 TL 50 780 Td %sET" % shown if lines else b""
    if picture:
        body += b" q 100 0 0 100 50 50 cm /P1 Do Q"
    contents = add(_stream(body))
    return int(
        add(
            b"<< /Type /Page /Parent @PARENT 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 %d 0 R >> /XObject << /P1 %d 0 R >> >> >>"
            % (contents, font, picture or 2)
        )
    )


def _tree(kids: Sequence[int]) -> bytes:
    named = b" ".join(b"%d 0 R" % kid for kid in kids)
    return b"<< /Type /Pages /Kids [%s] /Count %d >>" % (named, len(kids))


def _stream(content: bytes) -> bytes:
    deflated = zlib.compress(content)
    head = b"<< /Filter /FlateDecode /Length %d >>" % len(deflated)
    return head + b"\nstream\n" + deflated + b"\nendstream"


def _escaped(line: str) -> bytes:
    plain = line.encode("cp1252")
    for each in (b"\\", b"(", b")"):
        plain = plain.replace(each, b"\\" + each)
    return plain


def _file(objects: Sequence[bytes], *, root: int, info: int) -> bytes:
    content, offsets = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    end = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    end += b"trailer << /Size %d /Root %d 0 R /Info %d 0 R >>\n" % (size, root, info)
    return content + end + b"startxref\n%d\n%%%%EOF\n" % len(content)

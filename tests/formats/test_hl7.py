"""HL7 v2 messages: separators, escapes, character sets, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import BadMessage
from sightline.formats.hl7 import Answer, Separators, acknowledgment, parse, unescape

HEAD = "MSH|^~\\&|ADT|NORTH|SIGHTLINE||20240201||ADT^A08|42|P|2.5.1"


def with_charset(name: str, name_bytes: bytes) -> bytes:
    return HEAD.encode() + b"||||||" + name.encode() + b"\rPID|||1||" + name_bytes + b"\r"


def test_fields_components_and_repetitions() -> None:
    read = parse(f"{HEAD}\rPID|1||7^^^NORTH&1.2.3&ISO^MR~8^^^X^SS||Doe^Ada&x\r".encode())
    pid = read.segments[1]
    assert (read.kind, read.control_id, read.sender) == ("ADT^A08", "42", "ADT@NORTH")
    assert pid.repetitions(3) == ("7^^^NORTH&1.2.3&ISO^MR", "8^^^X^SS")
    assert (pid.text(3), pid.text(3, 4), pid.part(pid.repetitions(3)[1], 5)) == ("7", "NORTH", "SS")
    assert (pid.text(5), pid.text(5, 2), pid.text(5, 3), pid.text(99)) == ("Doe", "Ada", "", "")


def test_any_separators_and_any_line_ends() -> None:
    read = parse(b"MSH#*!%$#ADT#N#####ADT*A08#1#P#2.5\r\nPID###7***N*MR!8\n")
    assert read.segments[1].text(3, 4) == "N"
    assert len(read.segments[1].repetitions(3)) == 2
    assert read.kind == "ADT^A08"


@pytest.mark.parametrize(
    ("charset", "encoded", "name"),
    [
        ("", "Müller".encode(), "Müller"),
        ("", "Müller".encode("latin-1"), "Müller"),
        ("8859/1", "Müller".encode("latin-1"), "Müller"),
        ("8859/5", "Иванов".encode("iso8859_5"), "Иванов"),
        ("8859/15", "Œuvré".encode("iso8859_15"), "Œuvré"),
        ("UNICODE UTF-8", "王小东".encode(), "王小东"),
        ("GB 18030-2000", "王小东".encode("gb18030"), "王小东"),
        ("ASCII~ISO IR87", b"Yamada", "Yamada"),
        ("~ISO IR87", "山田".encode("iso2022_jp"), "山田"),
        ("KS X 1001", "홍길동".encode("euc_kr"), "홍길동"),
    ],
)
def test_each_character_set(charset: str, encoded: bytes, name: str) -> None:
    assert parse(with_charset(charset, encoded)).segments[1].text(5) == name


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not begin with MSH"),
        (b"PID|||1", "does not begin with MSH"),
        (b"MSH|", "does not begin with MSH"),
        (b"MSH|^^^^|", "separators"),
        (b"MSHa^~\\&a", "separators"),
        (with_charset("KLINGON", b"x"), "not of HL7 table 0211"),
        (with_charset("UNICODE UTF-8", b"\xff"), "not in the character set"),
        (with_charset("ASCII", b"\xe4"), "not in the character set"),
        (f"{HEAD}\r{HEAD}\r".encode(), "second MSH"),
        (f"{HEAD}\r{'ZZZ|1' + chr(13)}".encode() + b"ZZZ|1\r" * 10_000, "segments"),
    ],
)
def test_what_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        parse(content)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"one\.br\two", "one\ntwo"),
        (r"\H\bold\N\ \X41\\Z9\!", "bold A!"),
        (r"ends with \ ", "ends with  "),
        ("bell\x07", "bell"),
    ],
)
def test_escapes(text: str, plain: str) -> None:
    assert unescape(text, Separators()) == plain


def test_an_acknowledgment_quotes_what_it_answers() -> None:
    read = parse(HEAD.encode())
    said = Answer(code="AE", error="204", problem="no|such^patient")
    answer = acknowledgment(read, said, own_id="9", at="20240201")
    assert answer == (
        b"MSH|^~\\&|SIGHTLINE||ADT|NORTH|20240201||ACK^A08^ACK|9|P|2.5.1\r"
        b"MSA|AE|42\r"
        b"ERR|||204^^HL70357|E||||no\\F\\such\\S\\patient\r"
    )
    assert parse(answer).header.text(9) == "ACK"
    nobody = acknowledgment(None, Answer(code="AR", error="102"), own_id="9", at="20240201")
    assert b"MSA|AR|\r" in nobody


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    for each in (content, HEAD.encode() + b"\r" + content):
        try:
            read = parse(each)
        except BadMessage as error:
            assert error.hint  # noqa: PT017 - some bytes are a message
            continue
        for segment in read.segments:
            assert isinstance(segment.text(3, 2), str)
            assert isinstance(segment.whole(5), str)

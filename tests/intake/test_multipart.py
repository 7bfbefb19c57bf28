import email.generator
import io
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import BadFile
from sightline.intake.multipart import MultipartReader, ReceivedPart, TooLarge

BOUNDARY = "0f3cf5c0-70e0"
DELIMITER = b"--" + BOUNDARY.encode()


def read(body: bytes, *, step: int = 7, max_part_bytes: int = 1000) -> list[ReceivedPart]:
    reader = MultipartReader(BOUNDARY, max_part_bytes=max_part_bytes)
    pieces = [body[start : start + step] for start in range(0, len(body), step)]
    parts = [part for piece in pieces for part in reader.feed(piece)]
    assert reader.is_whole
    return parts


def body_of(*contents: bytes, head: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    parts = b"".join(
        DELIMITER + b"\r\n" + head + b"\r\n" + content + b"\r\n" for content in contents
    )
    return parts + DELIMITER + b"--\r\n"


@given(
    contents=st.lists(
        st.one_of(
            st.binary(max_size=60),
            # What nearly is a delimiter must pass as content.
            st.lists(st.sampled_from([b"\r", b"\n", b"-", b"\r\n--", b"\r\n--0f3c", b"x"])).map(
                b"".join
            ),
        ),
        max_size=5,
    ),
    step=st.integers(1, 40),
)
def test_any_content_comes_through_in_pieces_of_any_size(contents: list[bytes], step: int) -> None:
    parts = read(body_of(*contents), step=step)
    assert [part.content for part in parts] == contents
    assert {part.media_type for part in parts} <= {"application/dicom"}


def test_what_the_standard_library_writes() -> None:
    message = MIMEMultipart("related", boundary=BOUNDARY)
    message.preamble, message.epilogue = "preamble", "epilogue"
    for content in (b"one", b"two"):
        message.attach(MIMEApplication(content, "dicom", _encoder=lambda _: None))
    file = io.BytesIO()
    email.generator.BytesGenerator(file, policy=message.policy.clone(linesep="\r\n")).flatten(
        message
    )
    body = file.getvalue().partition(b"\r\n\r\n")[2]
    parts = read(body)
    assert [(part.media_type, part.content) for part in parts] == [
        ("application/dicom", b"one"),
        ("application/dicom", b"two"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (DELIMITER + b"  \t\r\n\r\nx\r\n" + DELIMITER + b"--", [("", b"x")]),
        (DELIMITER + b"\r\n\r\n\r\n" + DELIMITER + b"--", [("", b"")]),
        (
            DELIMITER
            + b"\r\nA: b\r\ncontent-TYPE :  Text/Plain ; x=1\r\n\r\n\r\n"
            + DELIMITER
            + b"--",
            [("text/plain", b"")],
        ),
        (b"preamble" * 300 + b"\r\n" + body_of(b"x"), [("application/dicom", b"x")]),
        (body_of(b"x") + b"epilogue" * 300, [("application/dicom", b"x")]),
        (DELIMITER + b"--", []),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_odd_framing_that_is_allowed(
    body: bytes, expected: list[tuple[str, bytes]], step: int
) -> None:
    parts = read(body, step=step)
    assert [(part.media_type, part.content) for part in parts] == expected


@pytest.mark.parametrize(
    "body",
    [
        DELIMITER + b"x\r\n\r\n",
        DELIMITER + b" " * 300,
        DELIMITER + b"\r\nA: " + b"b" * 20_000,
    ],
)
@pytest.mark.parametrize("step", [1, 10_000])
def test_broken_framing_is_refused_at_once(body: bytes, step: int) -> None:
    with pytest.raises(BadFile, match="the multipart body is broken"):
        read(body, step=step)


@pytest.mark.parametrize("boundary", ["", "x" * 201, "a\r\nb", "ends with space ", 'quo"te', "ä"])
def test_no_boundary(boundary: str) -> None:
    with pytest.raises(BadFile, match="missing or malformed"):
        MultipartReader(boundary, max_part_bytes=1)


def test_a_part_may_be_as_large_as_we_take_and_no_larger() -> None:
    assert len(read(body_of(bytes(1000)))[0].content) == 1000
    with pytest.raises(TooLarge, match="more than 1000 bytes"):
        read(body_of(bytes(1001)))
    reader = MultipartReader(BOUNDARY, max_part_bytes=1000)
    assert not list(reader.feed(DELIMITER + b"\r\n\r\n" + bytes(500)))
    with pytest.raises(TooLarge):  # long before its end comes
        list(reader.feed(bytes(600)))


def test_what_is_read_over_is_not_held() -> None:
    reader = MultipartReader(BOUNDARY, max_part_bytes=1000)
    for _ in range(100):
        assert not list(reader.feed(bytes(10_000)))
    assert len(reader._held) < 100  # noqa: SLF001 - memory is what is shown
    assert not reader.is_whole

"""HL7 v2 messages: bytes to segments, fields and components, and the acknowledgment back.

HL7 v2.5.1 chapter 2. A message is read leniently as the standard asks (2.8: unknown segments,
fields and components are ignored), but its size, its separators and its character set are certain.
"""

import dataclasses
import re

from sightline.errors import BadMessage

MAX_SEGMENTS = 10_000
_HEAD = 8  # "MSH" and five separators
_CHARACTER_SET = 18
# HL7 table 0211. ISO-2022 codecs start in ASCII, as the alternate sets of MSH-18 do.
_CODECS = {
    "": "",
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISO IR6": "ascii",
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_2",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE UTF-8": "utf_8",
}
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Separators:
    """The characters that divide a message, from MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One segment; fields are numbered from 1, as the standard numbers them.

    Attributes:
        fields: as sent, still escaped; index 0 is the segment's name.
    """

    fields: tuple[str, ...]
    separators: Separators

    @property
    def name(self) -> str:
        """The three letters it begins with."""
        return self.fields[0]

    def repetitions(self, number: int) -> tuple[str, ...]:
        """Return the repetitions of a field, still escaped; none where it is empty."""
        if number >= len(self.fields) or not self.fields[number]:
            return ()
        return tuple(self.fields[number].split(self.separators.repetition))

    def text(self, number: int, component: int = 1) -> str:
        """Return a component of a field's first repetition, without escapes; empty for none."""
        first = self.repetitions(number)
        return self.part(first[0], component) if first else ""

    def part(self, repetition: str, component: int = 1) -> str:
        """Return the first subcomponent of a component of one repetition, without escapes."""
        parts = repetition.split(self.separators.component)
        if component > len(parts):
            return ""
        first = parts[component - 1].split(self.separators.subcomponent)[0]
        return unescape(first, self.separators).strip()

    def whole(self, number: int) -> str:
        """Return a field whose separators are plain text, as in OBX-5 of type TX."""
        lines = (unescape(each, self.separators) for each in self.repetitions(number))
        return "\n".join(lines).strip()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message; its first segment is MSH.

    Attributes:
        kind: message code and trigger event, such as `ADT^A40`.
        sender: sending application and facility, such as `ADT@NORTH`.
    """

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """The MSH segment."""
        return self.segments[0]

    @property
    def kind(self) -> str:
        """Message code and trigger event (MSH-9)."""
        return f"{self.header.text(9)}^{self.header.text(9, 2)}"

    @property
    def control_id(self) -> str:
        """MSH-10: what the acknowledgment must quote."""
        return self.header.text(10)

    @property
    def sender(self) -> str:
        """Sending application and facility (MSH-3 and MSH-4)."""
        return f"{self.header.text(3)}@{self.header.text(4)}"


def parse(content: bytes) -> Message:
    """Read one message, without the framing of MLLP.

    Raises:
        BadMessage: It is no HL7 v2 message, or its characters are not what MSH-18 says.
    """
    head = content[: content.find(b"\r")] if b"\r" in content else content
    separators = _separators(head)
    text = _decode(content, head, separators)
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    if len(lines) > MAX_SEGMENTS:
        raise _bad(f"it has {len(lines)} segments; {MAX_SEGMENTS} are taken")
    segments = tuple(_segment(line, separators) for line in lines)
    for segment in segments[1:]:
        if segment.name == "MSH":
            raise _bad("a second MSH stands in one frame")
    return Message(segments=segments)


def unescape(text: str, separators: Separators) -> str:
    r"""Undo escape sequences (HL7 2.7); highlighting and what is unknown is dropped.

    `""` stays: it asks to delete a value (2.5.3).
    """
    escape = separators.escape
    if escape not in text:
        return _CONTROL.sub("", text)
    meanings = {
        "F": separators.field,
        "S": separators.component,
        "T": separators.subcomponent,
        "R": separators.repetition,
        "E": escape,
        ".br": "\n",
    }
    parts = text.split(escape)
    plain = []
    for position, part in enumerate(parts):
        is_last = position == len(parts) - 1
        if position % 2 == 0 or is_last:
            plain.append(part)
        elif part in meanings:
            plain.append(meanings[part])
        elif part.startswith("X") and _HEXADECIMAL.fullmatch(part[1:]):
            plain.append(bytes.fromhex(part[1:]).decode("latin-1"))
    return _CONTROL.sub("", "".join(plain))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an acknowledgment says.

    Attributes:
        code: AA taken, AE not done (the sender may repeat it), AR refused (repeating is of no use).
        error: of HL7 table 0357; empty for AA.
        problem: for people; no patient value.
    """

    code: str
    error: str = ""
    problem: str = ""


def acknowledgment(answered: Message | None, answer: Answer, *, own_id: str, at: str) -> bytes:
    """Write the acknowledgment of a message (HL7 2.9.2), in ASCII.

    Args:
        answered: what is answered; None where it could not be read.
        answer: what it says.
        own_id: the control id of the acknowledgment itself.
        at: `YYYYMMDDHHMMSS`.
    """
    header = answered.header if answered else None
    trigger = header.text(9, 2) if header else ""
    to = [header.text(number) if header else "" for number in (3, 4)]
    control_id = answered.control_id if answered else ""
    version = (header.text(12) if header else "") or "2.5.1"
    kind = f"ACK^{_quoted(trigger)}^ACK" if trigger else "ACK"
    names = ["SIGHTLINE", "", *map(_quoted, to)]
    lines = [
        "|".join(("MSH", "^~\\&", *names, at, "", kind, own_id, "P", _quoted(version))),
        "|".join(("MSA", answer.code, _quoted(control_id))),
    ]
    if answer.code != "AA":
        lines.append(f"ERR|||{answer.error}^^HL70357|E||||{_quoted(answer.problem)}")
    return "".join(f"{line}\r" for line in lines).encode("ascii", "replace")


def escaped(text: str) -> str:
    """Write a text so that the usual separators are none in it (HL7 2.7); it is one line."""
    written = text.replace("\\", "\\E\\")
    for character, letter in (("|", "F"), ("^", "S"), ("&", "T"), ("~", "R")):
        written = written.replace(character, f"\\{letter}\\")
    return re.sub(r"[\x00-\x1f\x7f]+", " ", written)


def _quoted(text: str) -> str:
    return escaped(text)[:500]


def _separators(head: bytes) -> Separators:
    if not head.startswith(b"MSH") or len(head) < _HEAD:
        raise _bad("it does not begin with MSH and its separators")
    field = chr(head[3])
    given = head[4:].split(head[3:4])[0].decode("latin-1")
    # 2.8.3: the truncation character of v2.7 may follow; what is left out is as usual.
    defaults = "^~\\&"
    chosen = (given + defaults[len(given) :])[:4]
    if len(set(field + chosen)) != 5 or any(not _may_divide(each) for each in field + chosen):  # noqa: PLR2004 - five separators
        raise _bad("its separators are not five different punctuation marks")
    component, repetition, escape, subcomponent = tuple(chosen)
    return Separators(
        field=field,
        component=component,
        repetition=repetition,
        escape=escape,
        subcomponent=subcomponent,
    )


def _may_divide(character: str) -> bool:
    return "!" <= character <= "~" and not character.isalnum()


def _decode(content: bytes, head: bytes, separators: Separators) -> str:
    fields = head.split(separators.field.encode("ascii"))
    # MSH-1 is the separator itself, so MSH-n is the n-1th piece.
    named = fields[_CHARACTER_SET - 1] if len(fields) >= _CHARACTER_SET else b""
    repetitions = named.decode("latin-1").split(separators.repetition)
    name = next((each.strip().upper() for each in repetitions if each.strip()), "")
    codec = _CODECS.get(name)
    if codec is None:
        raise _bad("MSH-18 names a character set that is not of HL7 table 0211")
    try:
        # Senders that name none mean ASCII, and send UTF-8 or Latin-1.
        return content.decode(codec or "utf_8")
    except UnicodeDecodeError as error:
        if codec:
            raise _bad(f"its bytes are not in the character set of MSH-18, {name}") from error
        return content.decode("latin-1")


def _segment(line: str, separators: Separators) -> Segment:
    name, *fields = line.split(separators.field)
    if name == "MSH":
        fields.insert(0, separators.field)
    return Segment(fields=(name.strip(), *fields), separators=separators)


def _bad(why: str) -> BadMessage:
    return BadMessage(
        f"this is no HL7 v2 message that can be read: {why}",
        hint="`sightline clinical messages` lists it with its digest; ask the sender's interface "
        "team.",
    )

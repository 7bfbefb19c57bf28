"""What a peer says of its refusal, fit to be kept and shown."""

import re
from collections.abc import Collection

_NOT_PRINTED = re.compile(r"[\x00-\x20\x7f-\x9f]+")
_LONGEST = 300
_HIDDEN = "***"


def told(text: str, hidden: Collection[str]) -> str:
    """Return a peer's words on one line, cut, and without what nobody may read in them.

    Args:
        text: as the peer said it.
        hidden: what may not be read, such as a patient's name and number.
    """
    words = _NOT_PRINTED.sub(" ", text).strip()
    for value in sorted(filter(None, hidden), key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _HIDDEN, words, flags=re.IGNORECASE)
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."

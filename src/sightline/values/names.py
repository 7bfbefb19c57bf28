"""Person names (PS3.5 6.2.1) in the form in which they are searched."""

import re
import unicodedata

_GROUPS = 3
_WORD_END = re.compile(r"[\^=\s,*?]+")
# Letters that casefold leaves and no decomposition brings to ASCII.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


def folded(text: str) -> str:
    """Return a text without case and accents: `MÜLLER` and `Muller` become the same."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(each for each in decomposed if not unicodedata.combining(each))
    return unicodedata.normalize("NFC", letters).translate(_PLAIN)


def name_key(name: str) -> str:
    """Return the form that the catalog keeps of a name: `=family^given=other script=`.

    Every group stands between equals signs, without the carets of components that are empty at
    its end, so that one pattern finds a name by any of its groups.
    """
    groups = [group.strip().rstrip("^ ") for group in folded(name).split("=")[:_GROUPS]]
    return f"={'='.join(groups)}="


def words_of(text: str) -> list[str]:
    """Return the words of a name or of what is asked for, folded."""
    return [word for word in _WORD_END.split(folded(text)) if word]

"""Descriptions: kept where every word is on the clinical list, else the text goes.

PS3.15 Clean Descriptors Option (113105).
"""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.deid.vocabulary import clinical_words, is_made_of, names_somebody


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return the texts that are clean; one that is not becomes empty among several."""
    texts = value.decode("latin-1").strip("\0 ").split("\\")
    # Each text once: a sequence of a million equal ones costs no more than one.
    are_clean = {text: is_clean(text, context) for text in set(texts)}
    kept = [text if are_clean[text] else "" for text in texts]
    return "\\".join(kept).encode("ascii") if any(kept) or not any(texts) else None


def is_clean(text: str, context: Context) -> bool:
    """Tell whether a text may leave: clinical words alone, and none that is a name here."""
    words = clinical_words(context.site_words)
    return is_made_of(text, words) and not names_somebody(text, context.names)


PLUGIN = Rule(action="description_kept", clean=clean)

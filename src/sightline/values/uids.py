"""What a UID looks like."""

import re

_FORM = re.compile(r"[0-9.]{1,64}")


def is_uid(text: str) -> bool:
    """Tell whether a text is written as a UID (PS3.5 9.1), be its components as they may.

    Leading zeros and empty components, which the standard forbids, are met and do no harm.
    """
    return _FORM.fullmatch(text) is not None

"""What is wrong with a stored object."""

import dataclasses
from typing import Literal, TypeAlias

FlawKind: TypeAlias = Literal["damaged", "missing", "orphan"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Flaw:
    """An object or array that is not as the catalog says.

    Attributes:
        store: `archive` or `hub`.
        kind: damaged: its bytes do not match its digest, or the pixels it borrows are gone.
            missing: rows need it and it is not there. orphan: no row needs it.
        what: `object` or `array`.
        study_uid: of what needs it; empty where nothing does or no study is known.
        source: where it came from, so that it can be had again; empty where unknown.
        mended: brought back in this pass.
    """

    store: str
    kind: FlawKind
    what: str
    digest: str
    study_uid: str = ""
    series_uid: str = ""
    source: str = ""
    mended: bool = False

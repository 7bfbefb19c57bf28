"""Attributes that a search is asked to include and the catalog does not hold (PS3.18 8.3.4.3).

They are read from the header of one instance of each match, for a bounded number of matches.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence

from sightline.archive.locating import LocatedInstance
from sightline.errors import SightlineError
from sightline.web.dicom_model import Model
from sightline.web.retrieval import Retrieval
from sightline.web.search_query import SearchQuery

MOST_READ = 200
"""Matches of one answer whose files are read."""

_OF_AN_INSTANCE = frozenset(
    {"00080016", "00080018", "00083002", "00200013", "00280008", "00280010", "00280011"}
)
_OF_A_SERIES = frozenset(
    {"00080060", "00080070", "0008103E", "00081090", "00180015"}
    | {"0020000E", "00200011", "00201209"}
)
NO_FIELDS_OF_STUDIES = _OF_AN_INSTANCE | _OF_A_SERIES
"""What is known to differ within a study: no attribute of it."""

NO_FIELDS_OF_SERIES = _OF_AN_INSTANCE
"""What is known to differ within a series: no attribute of it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Included:
    """The models of an answer; `is_short` where there were more than we read the files of."""

    models: list[Model]
    is_short: bool


def include_fields(
    retrieval: Retrieval,
    query: SearchQuery,
    models: Sequence[Model],
    *,
    instances: Mapping[int, LocatedInstance],
    excluded: frozenset[str] = frozenset(),
) -> Included:
    """Add to each model what the query asks for beyond it.

    Args:
        retrieval: reads the headers.
        query: names the attributes.
        models: what the catalog holds of each match.
        instances: one instance of each of the first `MOST_READ` matches, by place in `models`.
        excluded: attributes that are none of the level searched.
    """
    filled, is_short = [], False
    for place, model in enumerate(models):
        wanted = query.fields - excluded - model.keys()
        more: Model = {}
        if query.wants_all_fields or wanted:
            is_short = is_short or place >= MOST_READ
            header = _header(retrieval, instances[place]) if place in instances else {}
            names = header.keys() - excluded if query.wants_all_fields else wanted
            more = {tag: header[tag] for tag in names if tag in header}
        filled.append(dict(sorted((more | model).items())) if more else model)
    return Included(models=filled, is_short=is_short)


def _header(retrieval: Retrieval, instance: LocatedInstance) -> Model:
    """Read the header of an instance, without what is too long to be sent here."""
    try:
        model: Model = json.loads(retrieval.metadata(instance))
    except SightlineError:
        return {}  # a broken or missing file must not hide what the catalog knows
    return {tag: value for tag, value in model.items() if "BulkDataURI" not in value}

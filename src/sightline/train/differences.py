"""What is no longer as it was when a run was made, or between two runs, each thing by its name."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from sightline.values.model import RunRecord
from sightline.values.recipe import Recipe

Kind: TypeAlias = Literal["data", "recipe", "plan", "code", "library", "machine"]
_ABSENT = "-"
_LIBRARY = "package:"
_FEATURES = "processor_features"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        name: such as `training.seed` or `torch`.
        then: value of the earlier side; `-` where it has none.
        now: of the later.
    """

    kind: Kind
    name: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}: {self.then} -> {self.now}"


def recipes_differ(then: str, now: str) -> list[Difference]:
    """Compare two recipes, given as YAML, setting by setting.

    Raises:
        BadRecipe: One does not validate.
    """
    one, other = (Recipe.from_yaml(text).model_dump(mode="json") for text in (then, now))
    return _compare("recipe", _flat(one), _flat(other))


def plans_differ(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Compare two plans, as JSON values, reasons aside."""
    one, other = (
        {name: value for name, value in plan.items() if name != "reasons"} for plan in (then, now)
    )
    return _compare("plan", _flat(one), _flat(other))


def environments_differ(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Compare Python, system and every library."""
    found = _compare("library", then, now)
    return [
        dataclasses.replace(
            each,
            kind="library" if each.name.startswith(_LIBRARY) else "machine",
            name=each.name.removeprefix(_LIBRARY),
        )
        for each in found
    ]


def machines_differ(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Compare device, threads and processor; of its features only those that one side lacks."""
    plain = [
        {name: value for name, value in each.items() if name != _FEATURES} for each in (then, now)
    ]
    found = _compare("machine", plain[0], plain[1])
    before, after = (set(each.get(_FEATURES, "").split()) for each in (then, now))
    if before != after:
        lost, new = " ".join(sorted(before - after)), " ".join(sorted(after - before))
        found.append(
            Difference(kind="machine", name=_FEATURES, then=lost or _ABSENT, now=new or _ABSENT)
        )
    return found


def codes_differ(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Compare the code by its digest."""
    if then["digest"] == now["digest"]:
        return []
    sides = [f"{each['name']} {each['digest'][:12]}" for each in (then, now)]
    return [Difference(kind="code", name="sightline", then=sides[0], now=sides[1])]


def runs_differ(one: RunRecord, other: RunRecord) -> list[Difference]:
    """Compare two runs: collection, recipe, plan, code, libraries, machine.

    Raises:
        BadRecipe: A recipe does not validate.
    """
    then, now = one.record, other.record
    start = [each.start_from or _ABSENT for each in (one, other)]
    return [
        *_compare("data", {"collection": one.collection}, {"collection": other.collection}),
        *_compare("data", {"starts from": start[0]}, {"starts from": start[1]}),
        *recipes_differ(one.recipe, other.recipe),
        *plans_differ(then.get("plan", {}), now.get("plan", {})),
        *codes_differ(then["code"], now["code"]),
        *environments_differ(then["environment"], now["environment"]),
        *machines_differ(then.get("hardware", {}), now.get("hardware", {})),
    ]


def _compare(kind: Kind, then: Mapping[str, object], now: Mapping[str, object]) -> list[Difference]:
    return [
        Difference(
            kind=kind,
            name=name,
            then=str(then.get(name, _ABSENT)),
            now=str(now.get(name, _ABSENT)),
        )
        for name in sorted(then.keys() | now.keys())
        if then.get(name, _ABSENT) != now.get(name, _ABSENT)
    ]


def _flat(content: Mapping[str, Any]) -> dict[str, object]:
    return dict(_leaves(content, ""))


def _leaves(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

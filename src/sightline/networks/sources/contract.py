"""What a source of weights is: a folder that it recognises, and what it reads from it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from sightline.engines.limited import Limits
from sightline.errors import BadFile, UnknownName
from sightline.registry import Registry
from sightline.values.plan import Plan

# A child imports torch first, which on a busy machine takes a while.
_START_CPU_S, _START_WALL_S = 60.0, 600.0


def limits_of(path: Path) -> Limits:
    """Return what a child may use to open a file of weights."""
    limits = Limits.for_bytes(path.stat().st_size)
    return dataclasses.replace(
        limits, cpu_s=limits.cpu_s + _START_CPU_S, wall_s=limits.wall_s + _START_WALL_S
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Hints:
    """What a folder may not say and its user can; empty where it is not given.

    Attributes:
        fold: of several that were trained, this one.
        orientation: where the axes x, y and z of the files ran that the weights were trained on,
            such as LPS or RAS.
        modality: of these files: CT, MR or PT.
    """

    fold: str = ""
    orientation: str = ""
    modality: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """Weights of others, in our words.

    Attributes:
        plan: what they expect: classes, spacing, patch, intensities, architecture.
        tensors: by the names of the plan's network.
        origin: what is known of how they were made; no path and no name of a person.
        files: that were read; their digests stand in lineage.
        notes: what is not here as it was at home, for people.
        recipe: as YAML, where there is one.
    """

    plan: Plan
    tensors: Mapping[str, torch.Tensor]
    origin: dict[str, str]
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    recipe: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One kind of folder that holds weights.

    Attributes:
        title: for people.
        holds: what the folder must hold, for people.
        recognises: tells whether a folder is of this kind, by the names of its files.
        read: reads it; raises `BadFile` where it is broken or hostile, `Refused` where it is
            something that Sightline does not have.
    """

    title: str
    holds: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Hints], Brought]


# What reading documents of others as if they were whole ends in.
_MISSHAPEN = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)

SOURCES: Registry[Source] = Registry(
    package="sightline.networks.sources",
    kind=Source,
    skip=frozenset({"contract", "documents", "pickles", "script_archive", "transforms"}),
)


def read_weights(folder: Path, hints: Hints, *, source: str = "") -> tuple[str, Brought]:
    """Read a folder by the source that knows it, and return its name with what it read.

    Args:
        folder: of others.
        hints: what it may not say.
        source: its name; empty to ask each.

    Raises:
        UnknownName: No source knows the folder, or several do.
        BadFile: It is broken or hostile.
        Refused: It is something that Sightline does not have.
    """
    name = source or _recognised(folder)
    try:
        return name, SOURCES.get(name).read(folder, hints)
    except OSError as error:
        raise BadFile(
            f"{folder.name} cannot be read: {error.strerror}", hint="Look at its permissions."
        ) from error
    except _MISSHAPEN as error:
        raise BadFile(
            f"{folder.name} is not written as a {SOURCES.get(name).title} is: "
            f"{type(error).__name__} {error}",
            hint="Give the folder as its framework wrote it.",
        ) from error


def _recognised(folder: Path) -> str:
    sources = SOURCES.all()
    names = [name for name, each in sources.items() if each.recognises(folder)]
    if len(names) == 1:
        return names[0]
    kinds = "; ".join(f"{name}: {each.holds}" for name, each in sources.items())
    raise UnknownName(
        f"{folder.name} is {'several kinds' if names else 'no kind'} of folder with weights",
        hint=f"Give the folder itself, or say --source. {kinds}.",
    )

"""Runs and the models they made, as the hub keeps them."""

import dataclasses
from typing import Any, Literal, TypeAlias

from sightline.values.identity import Digest, LineageId

ModelState: TypeAlias = Literal["candidate", "shadow", "live", "retired"]
"""Where a model is: made; run on new studies unseen; run on them and published; no longer."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """One training, with everything that repeating it needs.

    Attributes:
        recipe: the recipe as YAML, every default written out.
        collection: `NAME@N`; empty where the training happened elsewhere.
        record: plan, seeds, threads, processor features, environment, metrics; JSON values.
        start_from: the model whose weights it began with; None for fresh ones.
    """

    lineage_id: LineageId
    recipe: str
    collection: str
    state: Literal["started", "finished"]
    record: dict[str, Any]
    created_at: str
    finished_at: str = ""
    start_from: LineageId | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelRecord:
    """One model version.

    Attributes:
        manifest: what applying it needs (recipe, plan, classes); JSON values.
        weights_digest: object of the hub: a safetensors file, or an ONNX graph where the manifest
            says so.
    """

    lineage_id: LineageId
    name: str
    version: int
    run_id: LineageId
    weights_digest: Digest
    manifest: dict[str, Any]
    state: ModelState
    created_at: str

    @property
    def label(self) -> str:
        """`NAME@N`."""
        return f"{self.name}@{self.version}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GateCheck:
    """One thing that a model must reach before it goes live.

    Attributes:
        name: what is looked at, for people.
        asked: what is asked, for people.
        reached: what was found, for people.
    """

    name: str
    asked: str
    reached: str
    is_met: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseRecord:
    """One change of a model's state.

    Attributes:
        checks: what its gate found then; empty where no gate was asked.
    """

    model_id: LineageId
    from_state: ModelState
    to_state: ModelState
    approver: str
    reason: str
    at: str
    checks: tuple[GateCheck, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRecord:
    """One evaluation of a model.

    Attributes:
        content: metrics with intervals, by class and by subject; JSON values.
    """

    model_id: LineageId
    collection: str
    split: str
    content: dict[str, Any]
    created_at: str

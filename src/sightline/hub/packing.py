"""A model of the hub written as a package that another site can install."""

import dataclasses
from pathlib import Path

from sightline.errors import DamagedObject
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations, run
from sightline.hub.packages import Signs, pack
from sightline.values.evaluation import Evaluation
from sightline.values.model import EvaluationRecord, ModelRecord
from sightline.values.package import Described, ModelPackage
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

_MOST_TESTS = 20


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What a site says of a model that it gives away.

    Attributes:
        version: of the package; empty for the model's.
    """

    publisher: str
    licence: str
    intended_use: str
    limits: str
    version: str = ""


def write_model(
    hub: Hub,
    record: ModelRecord,
    path: Path,
    *,
    words: Words,
    signer: Signs,
    graph: tuple[bytes, Plan] | None = None,
) -> str:
    """Write a model as one signed file and return the digest of the package.

    No subject, series or finding of the hub is in it, but the figures of its evaluations.

    Args:
        hub: the store.
        record: the model.
        path: a new file.
        words: what is said of it.
        signer: of the site.
        graph: the model as ONNX with the plan it is of; None for it as it is kept.

    Raises:
        DamagedObject: The weights do not match their digest.
        Refused: There is a file already.
        BadFile: What is said of the model cannot stand in a manifest.
        OSError: It cannot be written.
    """
    manifest = record.manifest
    recipe = Recipe.from_yaml(manifest["recipe"])
    is_graph = graph is not None or manifest.get("weights") == "onnx"
    package = ModelPackage(
        described=Described(
            name=record.name,
            version=words.version or str(record.version),
            title=recipe.title,
            publisher=words.publisher,
            licence=words.licence,
            intended_use=words.intended_use,
            limits=words.limits,
            card=tuple(_card(hub, record)),
        ),
        weights="onnx" if is_graph else "safetensors",
        recipe=recipe,
        plan=graph[1] if graph else Plan.from_json(manifest["plan"]),
        files=(),
        members=1 if is_graph else int(manifest.get("members", 1)),
    )
    weights = graph[0] if graph else hub.objects.get(record.weights_digest)
    return pack(package, weights, path, signer=signer)


def _card(hub: Hub, record: ModelRecord) -> list[str]:
    """Say how a model was made and tested, a line each, without names of collections."""
    lines = ["Research use only. Not for diagnosis or treatment."]
    made_by = run(hub, record.run_id)
    where = "its publisher's own studies" if made_by.collection else "studies of others"
    lines.append(f"It learned on {where}; made {record.created_at[:10]}.")
    tested = [_tested(each) for each in evaluations(hub, record.lineage_id)[:_MOST_TESTS]]
    return [*lines, *(filter(None, tested) if tested else ["Its publisher did not evaluate it."])]


def _tested(record: EvaluationRecord) -> str:
    try:
        found = Evaluation.from_json(record.content)
    except DamagedObject:
        return ""
    figure = found.headline.figure
    if figure.value is None or figure.low is None or figure.high is None:
        return ""
    return (
        f"On {figure.subjects} subjects of its publisher's {record.split} split: "
        f"{found.headline.metric} {figure.value:.3f} "
        f"(95 % interval {figure.low:.3f} to {figure.high:.3f})."
    )

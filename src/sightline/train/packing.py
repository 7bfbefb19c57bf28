"""A model written as an ONNX graph, network and weights in one."""

from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.predict.graph import as_graph
from sightline.predict.model import Model, ModelManifest
from sightline.values.model import ModelRecord
from sightline.values.plan import Plan


def graph_of(hub: Hub, record: ModelRecord) -> tuple[bytes, Plan]:
    """Return a model as a graph, with the plan that the graph is of.

    Raises:
        DamagedObject: The weights do not match their digest.
        Refused: The network cannot be written as a graph.
        MissingExtra: What writes ONNX is not installed.
    """
    manifest = ModelManifest.from_json(record.manifest)
    with hub.objects.local_copies([record.weights_digest]) as (weights,):
        loaded = Model.load(weights, manifest)
    try:
        return as_graph(loaded.network, manifest.plan)
    except RuntimeError as error:
        raise Refused(
            f"{record.label} cannot be written as ONNX: {type(error).__name__}",
            hint="Pack it without --onnx.",
        ) from error

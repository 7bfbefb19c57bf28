"""Making a prediction public: lineage first, then objects, finding and outbox at once."""

import dataclasses
from collections.abc import Sequence

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.outbox import MessageTo
from sightline.archive.results import check_standing, publish
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.serve.predicting import Predicted
from sightline.values.arrival import OutgoingResult

_log = log.get("serve")


def publish_prediction(
    archive: Archive,
    hub: Hub,
    made: Predicted,
    *,
    pacs: str,
    messages: Sequence[MessageTo] = (),
) -> None:
    """Publish what was predicted; a repeat changes nothing.

    Args:
        archive: the store the objects are born in.
        hub: where lineage is kept.
        made: the prediction and its durable objects.
        pacs: where the objects are sent; empty for nowhere.
        messages: who else is told.

    Raises:
        StudyChanged: Images, objects and study are not of one patient now: nothing is published.
    """
    prediction = made.prediction
    results = [
        OutgoingResult(content=archive.objects.get(digest), lineage_id=lineage_id)
        for lineage_id, digest in made.objects
    ]
    # First, so that lineage names nothing that is not published; once more when it is.
    check_standing(archive, prediction, results)
    with hub.database.write() as connection:
        facts = {"model": prediction.model_version}
        node = node_of(prediction.lineage_id, "prediction", name=prediction.lineage_id, facts=facts)
        record(connection, node, [prediction.model_id])
        for lineage_id, _ in made.objects:
            result = node_of(lineage_id, "result", name=lineage_id, facts=facts)
            record(connection, result, [prediction.lineage_id])
    finished = dataclasses.replace(
        prediction, finding=made.finding, picture_digest=made.picture_digest
    )
    publish(archive, finished, results, destinations=[pacs] if pacs else [], messages=messages)
    _log.info("prediction_published", prediction=prediction.lineage_id, objects=len(results))

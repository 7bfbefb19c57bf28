"""What a model says of one volume, whatever its task."""

import dataclasses

from sightline.values.arrays import Voxels
from sightline.values.statement import Place
from sightline.values.volume import Segmentation


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model says of one volume; what its task does not tell stays empty.

    Attributes:
        numbers: by class: its probability, the probability of a level, or the number asked for.
        places: what was found, surest first.
        segmentation: on the grid of the volume.
        image: a volume made of the volume, in the unit of the target it was taught with.
    """

    numbers: dict[str, float] = dataclasses.field(default_factory=dict)
    places: tuple[Place, ...] = ()
    segmentation: Segmentation | None = None
    image: Voxels | None = None

"""One item that a training learns from."""

import dataclasses

from sightline.store.arrays import StoredArray
from sightline.values.geometry import Geometry
from sightline.values.statement import Statement


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A stored volume with what teaches it.

    Attributes:
        subject_id: pseudonym; splits and intervals go by it.
        slope: `slope * voxels + intercept` is in the unit of the modality.
        mask: on the grid of `volume`; 0 is background, k the k-th class; of places, k the k-th
            place. None where nothing is drawn.
        image: what the volume is to be made into, on its grid and in its scale.
        numbers: what the loss of a task of whole images compares with.
        statement: what a reader said of it.
    """

    series_uid: str
    subject_id: str
    volume: StoredArray
    geometry: Geometry
    modality: str
    slope: float = 1.0
    intercept: float = 0.0
    mask: StoredArray | None = None
    image: StoredArray | None = None
    numbers: tuple[float, ...] | None = None
    statement: Statement | None = None

    @property
    def drawn(self) -> StoredArray | None:
        """What is cut as the volume is, to be learned."""
        return self.image or self.mask

    @property
    def is_annotated(self) -> bool:
        """Whether there is anything to learn from."""
        return self.drawn is not None or self.numbers is not None

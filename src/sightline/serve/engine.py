"""Models of the hub, applied by the back end that was picked, as many as memory has room for."""

import dataclasses
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Self

from sightline import extras, log
from sightline.hub.familiar import familiar_now, read_familiar
from sightline.hub.hub import Hub
from sightline.hub.models import keep_trials, trials
from sightline.serve.at_hand import AtHand
from sightline.serve.resident import Resident, budget_of
from sightline.settings import LEAST_AGREEMENT, Settings
from sightline.values.answer import Answer
from sightline.values.identity import Digest
from sightline.values.likeness import Familiar
from sightline.values.model import ModelRecord
from sightline.values.trial import Trial, picked
from sightline.values.volume import Segmentation, Volume

_log = log.get("serve")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How a model runs on this machine.

    Attributes:
        back_end: name of what runs the network.
        machine: with the number of threads.
        software: name and version of all that has a part in a result.
    """

    back_end: str
    machine: str
    software: dict[str, str]


class Engine:
    """Keeps models loaded while a budget of memory has room for them, and applies them.

    Each runs by the fastest back end of those that were tried for it on this machine and agree with
    it in eager float32; where none was tried, as it was trained. What models share of a series is
    read and prepared once.

    Attributes:
        at_hand: the series that was looked at last.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        threads: int,
        least_agreement: float = LEAST_AGREEMENT,
        memory_gb: float = 0,
    ) -> None:
        """Make an engine that has loaded nothing yet.

        Args:
            hub: holds the weights.
            threads: for the networks; 0 is one a core.
            least_agreement: of a back end with the model as it was trained.
            memory_gb: of this process, with the models it keeps; 0 is half of what is left now.
        """
        self._hub = hub
        self._threads = threads
        self._least_agreement = least_agreement
        self._resident: Resident[Any] = Resident(budget_of(memory_gb))
        self._familiar: dict[Digest, Familiar] = {}
        self.at_hand = AtHand()

    @classmethod
    def of(cls, hub: Hub, settings: Settings) -> Self:
        """Make an engine as the settings say."""
        return cls(
            hub,
            threads=settings.threads,
            least_agreement=settings.least_agreement,
            memory_gb=settings.models_memory_gb,
        )

    def predict(self, record: ModelRecord, volume: Volume) -> Segmentation:
        """Draw what a model finds in a volume, on the volume's own grid.

        Raises:
            MissingExtra: The host has no learning stack.
            DamagedObject: The weights do not match their digest.
            Refused: The model draws nothing: it answers with numbers, places or an image.
        """
        engine = learning("sightline.predict.engine")
        drawn: Segmentation = engine.predict(self.load(record), volume)
        return drawn

    def answer(
        self,
        record: ModelRecord,
        volume: Volume,
        *,
        back_end: str = "",
        prepare: Callable[..., Any] | None = None,
    ) -> Answer:
        """Return what a model says of a volume; what it draws lies on the volume's own grid.

        Args:
            record: the model.
            volume: what it looks at.
            back_end: that runs it; empty for the one that was picked.
            prepare: has what a network sees of the volume ready; None prepares it anew.

        Raises:
            MissingExtra: The host has no learning stack, or the back end does not run here.
            DamagedObject: The weights do not match their digest.
        """
        model = self.load(record, back_end=back_end)
        look = learning("sightline.predict.engine").answer
        said: Answer = look(model, volume, prepare=prepare) if prepare else look(model, volume)
        return said

    def ran(self, record: ModelRecord, *, back_end: str = "") -> Ran:
        """Tell how a model runs here.

        Raises:
            MissingExtra: The host has no learning stack, or the back end does not run here.
            DamagedObject: The weights do not match their digest.
        """
        model = self.load(record, back_end=back_end)
        software = learning("sightline.predict.machine").software()
        return Ran(back_end=model.back_end, machine=self._machine(model), software=software)

    def load(self, record: ModelRecord, *, back_end: str = "") -> Any:  # noqa: ANN401 - loaded with the extra
        """Return a model ready to be applied; it stays loaded while there is room.

        Raises:
            MissingExtra: The host has no learning stack, or the back end does not run here.
            DamagedObject: The weights do not match their digest.
            UnknownName: There is no such back end.
        """
        name = f"{record.lineage_id}/{back_end}"
        return self._resident.get(name, lambda: self._load(record, back_end))

    def try_back_ends(
        self,
        record: ModelRecord,
        volume: Volume,
        *,
        names: Sequence[str] = (),
        tell: Callable[[Trial], None] = lambda _trial: None,
    ) -> Trial:
        """Try back ends on windows of a volume, and keep what was found; return the one to use.

        Raises:
            MissingExtra: The host has no learning stack.
            DamagedObject: The weights do not match their digest.
            UnknownName: There is no such back end.
        """
        model = self._read(record)
        windows = learning("sightline.predict.engine").windows_of(model, volume)
        tried = learning("sightline.predict.trial").try_back_ends(
            model, windows, names=names, tell=tell
        )
        keep_trials(self._hub, record.lineage_id, tried, machine=self._machine(model))
        self._resident.forget(record.lineage_id)
        chosen = picked(tried, least_agreement=self._least_agreement)
        if chosen is None:
            raise AssertionError("a model agrees with itself")
        return chosen

    def familiar(
        self, record: ModelRecord, digest: str | None = None
    ) -> tuple[str, Familiar | None]:
        """Return what a model is familiar with, and which object says so.

        Args:
            record: the model.
            digest: the object that counted once, empty where none did; None for what counts now.

        Raises:
            DamagedObject: The object does not match its digest.
            UnknownName: It is gone.
        """
        wanted = familiar_now(self._hub, record.lineage_id) if digest is None else Digest(digest)
        if not wanted:
            return "", None
        if wanted not in self._familiar:
            self._familiar[wanted] = read_familiar(self._hub, wanted)
        return wanted, self._familiar[wanted]

    def words(self, record: ModelRecord, said: Answer) -> str:
        """Say an answer of a model in a line, as its task does.

        Raises:
            MissingExtra: The host has no learning stack.
        """
        manifest = learning("sightline.predict.model").ModelManifest.from_json(record.manifest)
        task = learning("sightline.tasks.contract").TASKS.get(manifest.plan.task)
        return str(task.words(said, manifest.plan))

    def _load(self, record: ModelRecord, back_end: str) -> object:
        loaded = self._read(record)
        if not back_end:
            tried = trials(self._hub, record.lineage_id, self._machine(loaded))
            chosen = picked(tried, least_agreement=self._least_agreement)
            back_end = chosen.back_end if chosen else ""
        if back_end:
            loaded = loaded.by(back_end)
        _log.info("model_loaded", model=record.label, back_end=loaded.back_end)
        return loaded

    def _read(self, record: ModelRecord) -> Any:  # noqa: ANN401 - loaded with the extra
        models = learning("sightline.predict.model")
        learning("sightline.predict.engine").set_threads(self._threads)
        manifest = models.ModelManifest.from_json(record.manifest)
        with self._hub.objects.local_copies([record.weights_digest]) as (weights,):
            return models.Model.load(weights, manifest)

    @staticmethod
    def _machine(loaded: Any) -> str:  # noqa: ANN401 - loaded with the extra
        return str(learning("sightline.predict.machine").machine_of(loaded.device))


def learning(module: str) -> ModuleType:
    """Import a module of the learning stack.

    Raises:
        MissingExtra: The host has none.
    """
    return extras.load(module, extra="learn")

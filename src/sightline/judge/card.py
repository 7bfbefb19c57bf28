"""A model card: one HTML file without scripts, for a reader, made from the hub's records alone."""

import base64
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from sightline.errors import BadRecipe, DamagedObject, UnknownName
from sightline.hub.collections import count_test_evaluations, version
from sightline.hub.facts import count_by_scanner
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations, model, releases, run
from sightline.hub.packages import package_of
from sightline.judge import card_charts
from sightline.judge.charts import number
from sightline.judge.exhibits import exhibit_picture
from sightline.judge.metrics import Metric, metrics_of
from sightline.judge.strata import is_clear, worst_of
from sightline.values.collection import SPLITS, CollectionVersion
from sightline.values.evaluation import Evaluation, Exhibit, Figure, Stratum
from sightline.values.model import EvaluationRecord, ModelRecord, ReleaseRecord
from sightline.values.package import InstalledPackage
from sightline.values.recipe import Recipe

_FOLDER = Path(__file__).parent / "templates"
_FEW_SUBJECTS = 30
_WORDS_OF_TASKS = {
    "segment": "draws",
    "classify": "says whether there is",
    "detect": "finds",
    "grade": "grades",
    "regress": "measures",
    "restore": "restores",
}
STYLE = (_FOLDER / "card.css").read_text(encoding="utf-8")
"""Of the card; it stands in it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SplitFacts:
    """Of one split of a collection."""

    name: str
    subjects: int
    series: int
    scanners: dict[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShownExhibit:
    """One of the worst examples with its picture, as a data address; empty where there is none."""

    exhibit: Exhibit
    picture: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """An evaluation with what its record says of it.

    Attributes:
        looks: how often the locked split was evaluated on, by any model.
        worst: the stratum that is served worst.
    """

    record: EvaluationRecord
    evaluation: Evaluation
    metrics: tuple[Metric, ...]
    exhibits: tuple[ShownExhibit, ...]
    looks: int
    worst: Stratum | None

    @property
    def headline(self) -> Metric:
        """The metric that gates."""
        return self.metrics[0]

    def title_of(self, metric: str) -> str:
        """Return what people call a metric."""
        return next((each.title for each in self.metrics if each.name == metric), metric)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything that a card says.

    Attributes:
        recipe: None where the model came without one that can be read.
        tested: the newest evaluation that can be read, of a locked split where there is one.
        record: of the run: JSON values.
        package: that it came in; None where it came otherwise.
    """

    model: ModelRecord
    recipe: Recipe | None
    collection: str
    splits: tuple[SplitFacts, ...]
    record: dict[str, Any]
    start_from: str
    tested: Tested | None
    releases: tuple[ReleaseRecord, ...]
    package: InstalledPackage | None

    @property
    def purpose(self) -> str:
        """What the model does, in a sentence."""
        if self.recipe is None:
            return "Its recipe is not on record."
        names = _joined([name.replace("_", " ") for name in self.recipe.task.classes])
        accepts = self.recipe.accepts
        where = " or ".join(accepts.body_part).lower()
        verb = _WORDS_OF_TASKS.get(self.recipe.task.kind, f"({self.recipe.task.kind})")
        return f"It {verb} {names} in {accepts.modality}{f' of {where}' if where else ''}."

    @property
    def limits(self) -> tuple[str, ...]:
        """What the figures do not say."""
        return tuple(_limits(self))


def card_html(hub: Hub, label: str) -> str:
    """Return the card of a model as one file.

    Raises:
        UnknownName: There is no such model.
    """
    card = read_card(hub, label)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": lambda text: text.replace("_", " "),
        "number": number,
        "figure": figure_words,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "moment": lambda text: text[:16].replace("T", " "),
    }
    environment.globals |= {"charts": card_charts, "is_clear": is_clear}
    return environment.get_template("card.html").render(
        card=card,
        style=Markup(STYLE),  # noqa: S704 - our own file
    )


def style_hash() -> str:
    """Return the source expression that lets a browser apply the card's style and no other."""
    digest = hashlib.sha256(STYLE.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def figure_words(figure: Figure, unit: str = "") -> str:
    """Write a figure with its interval."""
    if figure.value is None:
        return "not scored"
    words = f"{number(figure.value)} {unit}".strip()
    if figure.low is None or figure.high is None:
        return words
    return f"{words} ({number(figure.low)} to {number(figure.high)})"


def read_card(hub: Hub, label: str) -> Card:
    """Gather what a card says.

    Raises:
        UnknownName: There is no such model.
    """
    chosen = model(hub, label)
    made_by = run(hub, chosen.run_id)
    return Card(
        model=chosen,
        recipe=_recipe(chosen),
        collection=made_by.collection,
        splits=_splits(hub, made_by.collection),
        record=made_by.record,
        start_from=made_by.start_from or "",
        tested=_tested(hub, chosen),
        releases=tuple(
            each for each in releases(hub, chosen.name) if each.model_id == chosen.lineage_id
        ),
        package=package_of(hub, chosen),
    )


def _joined(names: Sequence[str]) -> str:
    """Join names as in a sentence."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _recipe(chosen: ModelRecord) -> Recipe | None:
    try:
        return Recipe.from_yaml(str(chosen.manifest.get("recipe", "")))
    except BadRecipe:
        return None


def _splits(hub: Hub, label: str) -> tuple[SplitFacts, ...]:
    try:
        taught = version(hub, label)
    except UnknownName:
        return ()
    found = []
    for split in SPLITS:
        members = taught.of_split(split)
        if members:
            facts = SplitFacts(
                name=split,
                subjects=len({member.subject_id for member in members}),
                series=len(members),
                scanners=count_by_scanner(hub, [member.series_uid for member in members]),
            )
            found.append(facts)
    return tuple(found)


def _tested(hub: Hub, chosen: ModelRecord) -> Tested | None:
    records = evaluations(hub, chosen.lineage_id)
    for record in sorted(records, key=lambda each: each.split != "test"):
        try:
            evaluation = Evaluation.from_json(record.content)
            metrics = metrics_of(evaluation.task)
        except (DamagedObject, UnknownName):
            continue
        collection = version(hub, record.collection)
        worst = worst_of(evaluation.strata, is_more_better=metrics[0].is_more_better)
        return Tested(
            record=record,
            evaluation=evaluation,
            metrics=metrics,
            exhibits=_shown(hub, collection, evaluation.exhibits),
            looks=count_test_evaluations(hub, collection),
            worst=worst,
        )
    return None


def _shown(
    hub: Hub, collection: CollectionVersion, exhibits: Sequence[Exhibit]
) -> tuple[ShownExhibit, ...]:
    shown = []
    for exhibit in exhibits:
        picture = exhibit_picture(hub, collection, exhibit)
        encoded = base64.b64encode(picture).decode("ascii") if picture else ""
        address = f"data:image/png;base64,{encoded}" if encoded else ""
        shown.append(ShownExhibit(exhibit=exhibit, picture=address))
    return tuple(shown)


def _limits(card: Card) -> list[str]:
    found = ["Research use only. Not for diagnosis or treatment."]
    training = next((each for each in card.splits if each.name == "train"), None)
    if training is not None:
        scanners = ", ".join(training.scanners)
        found.append(f"Learned from images of: {scanners}. What it does on others is not known.")
    if card.tested is None:
        return [*found, "It was not evaluated: nothing is known of how well it does."]
    tested = card.tested
    found.append(
        f"Tested on {tested.evaluation.subjects} subjects of {tested.record.collection}. Intervals "
        "tell what other subjects of the same kind would change, not what another hospital would."
    )
    if tested.evaluation.subjects < _FEW_SUBJECTS:
        found.append("So few subjects cannot show rare failures.")
    facts = {each.fact for each in tested.evaluation.strata}
    missing = [name for name in ("manufacturer", "sex", "age") if name not in facts]
    if missing:
        found.append(
            f"Whether it serves all alike by {', '.join(missing)} could not be tested: not "
            "recorded, or all are alike."
        )
    if tested.looks > 1:
        found.append(
            f"The locked split was evaluated on {tested.looks} times, by all models together: "
            "every look makes the best of them look better than it is."
        )
    return found

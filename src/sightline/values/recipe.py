"""A recipe: one clinical use as data, validated, every default visible."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sightline.errors import BadRecipe
from sightline.values.acquisition import Orientation

MIRROR_AXES = {"head_foot": 0, "front_back": 1, "left_right": 2}
"""Axes of the network's grid by the names that a recipe gives them."""

Edge = Annotated[int, Field(ge=8)]
Depth = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Accepts(_Part):
    """Which series the recipe is for; an empty list accepts anything. Scouts are never taken."""

    modality: Literal["CT", "MR", "PT", "CR", "DX", "MG"] = "CT"
    body_part: list[str] = Field(default=[], description="Body Part Examined, any of these.")
    description_words: list[str] = Field(
        default=[], description="One of these stands in the series description (case ignored)."
    )
    without_words: list[str] = Field(
        default=[], description="None of these stands in the series description (case ignored)."
    )
    order_words: list[str] = Field(
        default=[],
        description="One of these stands in the requested procedure or the study description "
        "(case ignored).",
    )
    orientation: list[Orientation] = Field(default=[], description="Of the slices, any of these.")
    kernels: list[str] = Field(
        default=[], description="The convolution kernel begins with one of these (case ignored)."
    )
    contrast: Literal["any", "with", "without"] = Field(
        default="any", description="Whether a contrast agent was given."
    )
    max_slice_thickness_mm: float | None = Field(default=None, gt=0)
    min_slices: int = Field(default=8, ge=1)
    max_slice_spacing_mm: float = Field(default=10.0, gt=0)


class Task(_Part):
    """What to predict."""

    kind: Name = Field(
        default="segment",
        description="segment, classify, detect, grade, regress, restore, or one that was added.",
    )
    classes: list[Name] = Field(
        min_length=1,
        max_length=254,
        description="What is asked: classes of voxels, images or places; the levels of a grade, "
        "lowest first; the names of numbers; for restore a name of what is made.",
    )
    regions: dict[Name, list[Name]] = Field(
        default={},
        description="For segment: overlapping regions, each of some classes, learned instead of "
        "the classes and painted one over the other, the largest first.",
    )
    exclusive: bool = Field(
        default=True,
        description="For classify: exactly one class holds of an image; else any may.",
    )
    target: Name | None = Field(
        default=None,
        description="For classify, grade, regress and detect: the name of what readers said, as "
        "in `collections make --target`.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class stands twice in classes")
        asks = _ASKS.get(self.kind)
        if asks is None:
            return self
        for setting, is_given in (
            ("regions", bool(self.regions)),
            ("target", self.target is not None),
            ("exclusive", "exclusive" in self.model_fields_set and not self.exclusive),
        ):
            if is_given and setting not in asks:
                kinds = ", ".join(kind for kind, settings in _ASKS.items() if setting in settings)
                raise ValueError(f"{setting} is for {kinds}, not for {self.kind}")
        if "target" in asks and self.target is None:
            raise ValueError(
                f"{self.kind} needs target: the name of what readers said of each series"
            )
        self._check_classes()
        return self

    def _check_classes(self) -> None:
        if self.kind == "grade" and len(self.classes) < _FEWEST_LEVELS:
            raise ValueError("grade needs two levels or more in classes, lowest first")
        if self.kind == "classify" and self.exclusive and len(self.classes) < _FEWEST_LEVELS:
            raise ValueError("one class alone cannot exclude another: say exclusive: false")
        for index, (name, parts) in enumerate(self.regions.items()):
            unknown = sorted(set(parts) - set(self.classes))
            if unknown:
                raise ValueError(f"region {name} names {', '.join(unknown)}, no class of the task")
            later = {part for other in list(self.regions.values())[index + 1 :] for part in other}
            if len(set(parts) - later) != 1:
                raise ValueError(
                    f"region {name} needs exactly one class that no later region holds: list "
                    "regions from the largest to the smallest"
                )


_FEWEST_LEVELS = 2
_ASKS = {
    "segment": {"regions"},
    "classify": {"exclusive", "target"},
    "detect": {"target"},
    "grade": {"target"},
    "regress": {"target"},
    "restore": set(),
}
"""What each kind of task of ours may set besides classes; an outsider's may set anything."""


class Inputs(_Part):
    """How intensities and spacing are brought to the network; None is planned from the data."""

    spacing_mm: tuple[float, float, float] | None = None
    patch: tuple[Depth, Edge, Edge] | None = Field(
        default=None, description="In voxels; the first is 1 for single slices and X-rays."
    )
    window: tuple[float, float] | None = Field(
        default=None, description="Intensities are clipped to this range (HU for CT)."
    )


class Network(_Part):
    """The architecture; None is planned from patch and spacing."""

    name: Name = "plain_unet"
    base_channels: int | None = Field(default=None, ge=4)
    max_channels: int | None = Field(default=None, ge=8)
    levels: int | None = Field(default=None, ge=2, le=8)
    channels: list[Annotated[int, Field(ge=4)]] | None = Field(
        default=None,
        min_length=2,
        max_length=8,
        description="One a level, finest first; instead of levels, base_channels, max_channels.",
    )
    settings: dict[str, Any] = Field(
        default={},
        description="Of the architecture alone, such as depth of a resnet; an unknown one is named "
        "with those that are known.",
    )

    @model_validator(mode="after")
    def _says_levels_once(self) -> Self:
        if self.channels is not None and self.levels is not None:
            raise ValueError("give channels or levels, not both")
        return self


class Training(_Part):
    """The schedule of one run."""

    steps: int = Field(
        default=0, ge=0, description="Changes of the weights. 0: planned from data, device, time."
    )
    batch: int = Field(
        default=0, ge=0, description="Patches seen at once. 0: planned from the memory target."
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="Batches whose gradients are averaged for one step: larger batches than fit.",
    )
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        description="Target of the planned patch and batch in nnU-Net's measure, where 8 is a "
        "patch of 128 voxels cubed twice. None: 8 on a GPU, 0.15 a processor core.",
    )
    learning_rate: float = Field(
        default=0.0, ge=0, description="At the first step; 0 plans it by what the network answers."
    )
    fine_tuning_rate: float = Field(
        default=0.01,
        gt=0,
        description="Learning rate of a run that starts from an earlier model.",
    )
    weight_decay: float = Field(default=3e-5, ge=0)
    average: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share that a moving average of the weights keeps at each step, such as "
        "0.999; validated and kept instead of the last weights. 0: none.",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="Stop after so many validations without a better one, and keep the best "
        "weights. 0: go to the end and keep the last.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the processor or device computes it."
    )
    foreground_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of patches centred on a class."
    )
    class_balance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="0 counts every voxel alike; towards 1 the voxels of rare classes count more.",
    )
    affine_share: float = Field(
        default=0.3, ge=0, le=1, description="Share of patches turned, and share scaled."
    )
    rotate_degrees: float = Field(default=20.0, ge=0, le=180)
    scale_share: float = Field(default=0.2, ge=0, le=1, description="Patches grow by up to this.")
    shear: float = Field(
        default=0.0, ge=0, le=0.5, description="Patches lean by up to this, of affine_share."
    )
    elastic: float = Field(
        default=0.0,
        ge=0,
        le=0.25,
        description="Patches are bent by up to this share of their edges, of affine_share.",
    )
    mirror: list[Literal["left_right", "front_back", "head_foot"]] = Field(
        default=["left_right"], description="Axes to mirror along; none where side has meaning."
    )
    appearance: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="Strength of noise, blur, brightness, contrast, low resolution and gamma.",
    )
    validate_every: int = Field(default=250, ge=1, description="Steps between validations.")
    validation_volumes: int = Field(
        default=8, ge=1, description="So many volumes of the validation split are predicted."
    )
    checkpoint_every: int = Field(default=100, ge=1, description="Steps between checkpoints.")
    seed: int = Field(default=0, ge=0, lt=2**63)


class Applying(_Part):
    """How the model is applied to a volume."""

    mirror: bool = Field(
        default=False,
        description="Look at each volume mirrored along the axes of training.mirror too, and "
        "average: a little better, twice as long an axis.",
    )


class Gate(_Part):
    """What a model must reach on the locked test split before it goes live."""

    metric: Name = Field(
        default="dice", description="The measure of the task that decides, such as dice or auroc."
    )
    at_least: float = Field(default=0.5, ge=0, le=1)
    min_subjects: int = Field(default=3, ge=1)
    low_at_least: float | None = Field(
        default=None, ge=0, le=1, description="What the lower end of the 95 % interval must reach."
    )
    worst_stratum: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="What each manufacturer, site, sex, ... of `min_subjects` subjects must reach.",
    )
    shadow_series: int = Field(
        default=0, ge=0, description="On how many new series it must have run in shadow."
    )
    shadow_dice: float | None = Field(
        default=None, ge=0, le=1, description="Mean Dice in shadow against the live version."
    )
    shadow_same_priority: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of series in shadow with the live version's priority.",
    )
    max_seconds: float | None = Field(
        default=None, gt=0, description="What 95 % of series in shadow must keep within."
    )

    @model_validator(mode="after")
    def _shadow_is_asked_for(self) -> Self:
        limits = ("shadow_dice", "shadow_same_priority", "max_seconds")
        asked = [name for name in limits if getattr(self, name) is not None]
        if asked and not self.shadow_series:
            raise ValueError(f"{asked[0]} is measured in shadow: give shadow_series, too")
        return self


class TriageRule(_Part):
    """First rule that holds gives a study its priority and words.

    `{volume_ml}`, `{diameter_mm}` and `{probability}` in `words` are filled in.
    """

    class_name: Name
    min_probability: float | None = Field(
        default=None, ge=0, le=1, description="For classify: the rule holds from this upwards."
    )
    min_volume_ml: float = Field(default=0.0, ge=0)
    max_volume_ml: float | None = Field(default=None, ge=0)
    priority: Literal[0, 1, 2] = 0
    words: str
    acknowledge_min: float | None = Field(
        default=None,
        gt=0,
        description="The finding is time-critical: people are told until somebody acknowledges it, "
        "and others, too, after so many minutes.",
    )


class Recipe(_Part):
    """Task, inputs, network, schedule, measures, gate and triage of one clinical use."""

    format: Literal["sightline-recipe"] = "sightline-recipe"
    version: Literal[1] = 1
    name: Name
    title: str
    accepts: Accepts = Accepts()
    task: Task
    inputs: Inputs = Inputs()
    network: Network = Network()
    training: Training = Training()
    applying: Applying = Applying()
    gate: Gate = Gate()
    triage: list[TriageRule] = []

    @model_validator(mode="after")
    def _triage_names_classes(self) -> Self:
        for rule in self.triage:
            if self.task.kind == "classify" and rule.min_probability is None:
                raise ValueError("a triage rule of a classification needs min_probability")
            if rule.class_name not in self.task.classes:
                raise ValueError(f"triage names {rule.class_name!r}, no class of the task")
        return self

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read a recipe.

        Raises:
            BadRecipe: The text is no YAML or does not validate.
        """
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadRecipe(
                f"not YAML: {error}", hint="Mend the file; see docs/reference."
            ) from error
        return cls.from_json(content)

    @classmethod
    def from_json(cls, content: object) -> Self:
        """Take a recipe that was read already.

        Raises:
            BadRecipe: It does not validate.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "recipe"
            is_unknown = first["type"] == "extra_forbidden"
            raise BadRecipe(
                f"{place}: {'a recipe holds no such setting' if is_unknown else first['msg']}",
                hint=(_meant(place) if is_unknown else "")
                + "`sightline plan RECIPE` shows every setting a recipe may hold.",
            ) from error

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a recipe file.

        Raises:
            BadRecipe: The file is missing, is no YAML or does not validate.
        """
        try:
            return cls.from_yaml(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadRecipe(
                f"recipe {path} cannot be read: {error.strerror}",
                hint="Give a path, or a name from `sightline recipes`.",
            ) from error

    def to_yaml(self) -> str:
        """Write every setting, the defaults too, in a stable order."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def setting_names(part: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[str]:
    """List every setting of a recipe, such as `training.steps`."""
    for name, field in part.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_part(kind)]
        if not kinds:
            yield f"{prefix}{name}"
        for kind in kinds:
            yield from setting_names(kind, f"{prefix}{name}.")


def _is_part(kind: Any) -> bool:  # noqa: ANN401 - whatever stands in an annotation
    return isinstance(kind, type) and issubclass(kind, _Part)


def _meant(place: str) -> str:
    """Say which setting is written nearly so, or is called so elsewhere in a recipe."""
    place = ".".join(part for part in place.split(".") if not part.isdigit())
    name = place.rpartition(".")[2]
    known = sorted(set(setting_names()) | set(Recipe.model_fields))
    namesakes = [each for each in known if each.rpartition(".")[2] == name]
    near = namesakes or difflib.get_close_matches(place, known, n=1, cutoff=0.7)
    return f"Did you mean {' or '.join(near)}? " if near else ""

"""A recipe: one clinical use as data, validated, every default visible."""

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sightline.errors import BadRecipe

MIRROR_AXES = {"head_foot": 0, "front_back": 1, "left_right": 2}
"""Axes of the network's grid by the names that a recipe gives them."""

Edge = Annotated[int, Field(ge=8)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Accepts(_Part):
    """Which series the recipe is for; an empty list accepts anything."""

    modality: Literal["CT", "MR", "PT"] = "CT"
    body_part: list[str] = Field(default=[], description="Body Part Examined, any of these.")
    description_words: list[str] = Field(
        default=[], description="One of these stands in the series description (case ignored)."
    )
    min_slices: int = Field(default=8, ge=1)
    max_slice_spacing_mm: float = Field(default=10.0, gt=0)


class Task(_Part):
    """What to predict."""

    kind: Name = "segment"
    classes: list[Name] = Field(min_length=1, max_length=254)


class Inputs(_Part):
    """How intensities and spacing are brought to the network; None is planned from the data."""

    spacing_mm: tuple[float, float, float] | None = None
    patch: tuple[Edge, Edge, Edge] | None = Field(default=None, description="In voxels.")
    window: tuple[float, float] | None = Field(
        default=None, description="Intensities are clipped to this range (HU for CT)."
    )


class Network(_Part):
    """The architecture; None is planned from patch and spacing."""

    name: Name = "plain_unet"
    base_channels: int = Field(default=16, ge=4)
    max_channels: int = Field(default=256, ge=8)
    levels: int | None = Field(default=None, ge=2, le=8)
    channels: list[Annotated[int, Field(ge=4)]] | None = Field(
        default=None,
        min_length=2,
        max_length=8,
        description="One a level, finest first; instead of levels, base_channels, max_channels.",
    )

    @model_validator(mode="after")
    def _says_levels_once(self) -> Self:
        if self.channels is not None and self.levels is not None:
            raise ValueError("give channels or levels, not both")
        return self


class Training(_Part):
    """The schedule of one run."""

    steps: int = Field(default=1000, ge=1)
    batch: int = Field(default=2, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    fine_tuning_rate: float = Field(
        default=0.01,
        gt=0,
        description="Learning rate of a run that starts from an earlier model.",
    )
    weight_decay: float = Field(default=3e-5, ge=0)
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
    mirror: list[Literal["left_right", "front_back", "head_foot"]] = Field(
        default=["left_right"], description="Axes to mirror along; none where side has meaning."
    )
    appearance: float = Field(
        default=1.0, ge=0, le=2, description="Strength of noise, gamma, contrast and brightness."
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

    metric: Literal["dice"] = "dice"
    at_least: float = Field(default=0.5, ge=0, le=1)
    min_subjects: int = Field(default=3, ge=1)


class TriageRule(_Part):
    """First rule that holds gives a study its priority and words.

    `{volume_ml}` and `{diameter_mm}` in `words` are filled in.
    """

    class_name: Name
    min_volume_ml: float = Field(default=0.0, ge=0)
    max_volume_ml: float | None = Field(default=None, ge=0)
    priority: Literal[0, 1, 2] = 0
    words: str


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
            return cls.model_validate(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise BadRecipe(
                f"not YAML: {error}", hint="Mend the file; see docs/reference."
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "recipe"
            raise BadRecipe(
                f"{place}: {first['msg']}",
                hint="`sightline plan RECIPE` shows every setting a recipe may hold.",
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

"""Model packages: models from elsewhere, what they are for, and who vouches for them."""

import dataclasses
from typing import Any, Literal, Self, TypeAlias

from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

WeightsKind: TypeAlias = Literal["safetensors", "onnx", "monai_bundle", "nnunet"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PackagedFile:
    """One file that a manifest names.

    Attributes:
        name: below the package, with `/` between folders.
        sha256: as hexadecimal digits.
    """

    name: str
    size_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What a publisher says of a model, for people.

    Attributes:
        name: of the model; a hub may call it otherwise.
        version: the publisher's own.
        intended_use: what it is for.
        limits: what it does not do, or was not tested on; a clinician reads it.
        card: lines on how it was made and tested.
    """

    name: str
    version: str
    title: str
    publisher: str
    licence: str
    intended_use: str
    limits: str
    card: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ModelPackage:
    """A manifest.

    Attributes:
        plan: None where the weights say it themselves (a bundle of MONAI, a folder of nnU-Net).
        members: networks of the plan whose answers are averaged.
        hints: what a folder of others does not say: fold, orientation, modality.
        files: of the weights.
    """

    described: Described
    weights: WeightsKind
    recipe: Recipe
    plan: Plan | None
    files: tuple[PackagedFile, ...]
    members: int = 1
    hints: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InstalledPackage:
    """What a hub keeps of the package that a model came in.

    Attributes:
        digest: SHA-256 over manifest and signature.
        key: public, of the publisher who signed; empty where nobody did.
    """

    digest: str
    key: str
    weights: WeightsKind
    described: Described

    @property
    def is_signed(self) -> bool:
        """Whether a publisher whom the site trusts vouches for it."""
        return bool(self.key)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with format and version."""
        return {
            "format": "sightline-installed-package",
            "version": 1,
            "digest": self.digest,
            "key": self.key,
            "weights": self.weights,
            "described": dataclasses.asdict(self.described),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` made."""
        described = {**content["described"], "card": tuple(content["described"]["card"])}
        return cls(
            digest=content["digest"],
            key=content["key"],
            weights=content["weights"],
            described=Described(**described),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """Somebody whose packages a site takes.

    Attributes:
        public_key: Ed25519, 32 bytes as hexadecimal digits.
        trusted_by: who said so; empty where it was not told.
    """

    name: str
    public_key: str
    trusted_by: str
    trusted_at: str

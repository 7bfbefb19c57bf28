"""A bundle of MONAI: metadata, the network of its inference, its weights.

References (`@network_def`) are followed; expressions (`$...`) are code, and are not run.
"""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from sightline.errors import BadFile, Refused
from sightline.networks.contract import NETWORKS, adapted
from sightline.networks.framed import axes_of
from sightline.networks.sources.contract import Brought, Hints, Source
from sightline.networks.sources.documents import entry, read_document
from sightline.networks.sources.pickles import read_pickle, tensors_in
from sightline.networks.sources.script_archive import read_script
from sightline.networks.sources.transforms import Preparation, preparation_of
from sightline.values.plan import Plan, Triple

_METADATA = "configs/metadata.json"
_INFERENCE = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
_WEIGHTS = ("models/model.safetensors", "models/model.pt", "models/model.ts")
_STATES = ("state_dict", "model", "network", "net")
_MODALITIES = {"CT": "CT", "MR": "MR", "MRI": "MR", "PT": "PT", "PET": "PT"}
_UNTOLD = "LPS"
_MOST_REFERENCES, _MOST_STEPS = 32, 100_000
_MOST_OUTPUTS = 1024
_NO_MATTER = {"pretrained", "progress", "use_checkpoint", "img_size", "deep_supervision"}
_DYNUNET_FILTERS = {2: 512, 3: 320}
# What MONAI takes where a bundle says nothing, where that is not what Sightline takes.
_RESNET = {"conv1_t_stride": 1, "bias_downsample": True}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Architecture:
    """A network as a bundle describes it; steps on MONAI's axes.

    Attributes:
        channels: empty where they follow from the network and `first`.
        first: channels of the first level.
    """

    network: str
    dimensions: int
    inputs: int
    outputs: int
    settings: dict[str, Any]
    first: int = 16
    levels: int = 5
    channels: tuple[int, ...] = ()
    strides: tuple[tuple[int, ...], ...] = ()
    kernels: tuple[tuple[int, ...], ...] = ()


def _recognises(folder: Path) -> bool:
    return (folder / _METADATA).is_file()


def _read(folder: Path, hints: Hints) -> Brought:
    metadata = read_document(folder / _METADATA)
    inference_path = _first(folder, _INFERENCE)
    inference = read_document(inference_path)
    weights = _first(folder, _WEIGHTS)
    architecture = _architecture(_network_of(inference))
    prepared = preparation_of(_transforms(inference))
    notes = list(prepared.notes)
    plan = _plan(
        architecture, prepared, metadata=metadata, inference=inference, hints=hints, notes=notes
    )
    return Brought(
        plan=plan,
        tensors={f"net.{name}": tensor for name, tensor in _tensors(weights).items()},
        origin={
            "made by": f"MONAI {metadata.get('monai_version', '')}".strip(),
            "bundle": str(metadata.get("name", "")),
            "version": str(metadata.get("version", "")),
            "network": plan.network,
        },
        files=(folder / _METADATA, inference_path, weights),
        notes=tuple(notes),
    )


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BadFile(
        f"the bundle holds none of {', '.join(names)}", hint="Give the whole bundle, unpacked."
    )


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".ts":
        return tensors_in(read_script(path), of=path.name)
    if path.suffix == ".pt":
        state: Any = read_pickle(path)
        for name in _STATES:
            state = state[name] if isinstance(state.get(name), dict) else state
        return {
            name.removeprefix("module."): each
            for name, each in tensors_in(state, of=path.name).items()
        }
    try:
        found: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as error:
        raise BadFile(f"{path.name} is no safetensors file", hint="Copy it again.") from error
    return found


def _resolved(value: Any, document: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Follow references; expressions stay the text that they are."""
    return _Resolver(document).resolve(value, 0)


class _Resolver:
    """Follows references of a document, as often as any bundle needs."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._steps = 0

    def resolve(self, value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON
        self._steps += 1
        if depth > _MOST_REFERENCES or self._steps > _MOST_STEPS:
            raise BadFile("references of the bundle go in circles", hint="Mend its inference file.")
        if isinstance(value, str) and value.startswith("@"):
            found: Any = self._document
            for part in value[1:].replace("::", "#").split("#"):
                found = found[int(part)] if isinstance(found, list) else found[part]
            return self.resolve(found, depth + 1)
        if isinstance(value, dict):
            return {name: self.resolve(each, depth + 1) for name, each in value.items()}
        if isinstance(value, list):
            return [self.resolve(each, depth + 1) for each in value]
        return value


def _network_of(inference: dict[str, Any]) -> dict[str, Any]:
    for name in ("network_def", "network", "net"):
        found = inference.get(name)
        if isinstance(found, dict) and "_target_" in found:
            resolved: dict[str, Any] = _resolved(found, inference)
            return resolved
    raise BadFile(
        "the bundle's inference file describes no network",
        hint="It has network_def with a _target_ of monai.networks.nets.",
    )


def _transforms(inference: dict[str, Any]) -> list[dict[str, Any]]:
    preprocessing = _resolved(inference.get("preprocessing", {}), inference)
    listed = preprocessing.get("transforms", []) if isinstance(preprocessing, dict) else []
    return [each for each in listed if not each.get("_disabled_", False)]


def _architecture(given: dict[str, Any]) -> _Architecture:
    target = str(given["_target_"]).rpartition(".")[2]
    arguments = {
        name: each
        for name, each in given.items()
        if not name.startswith("_") and name not in _NO_MATTER
    }
    for name, each in arguments.items():
        if isinstance(each, str) and each.startswith("$"):
            raise Refused(
                f"{name} of its network is an expression, {each!r}",
                hint="Write the value itself into the bundle's inference file.",
            )
    kind = target.lower()
    if kind == "dynunet":
        return _dynunet(arguments, has_heads=bool(given.get("deep_supervision", True)))
    if kind.startswith("resnet") and kind != "resnet":
        return _resnet(int(kind.removeprefix("resnet")), arguments)
    if kind not in _SIMPLE:
        raise Refused(
            f"its network is a {target}",
            hint="Sightline has DynUNet, SegResNet, VNet, SwinUNETR, DenseNet121 and resnet10 to "
            "152 of MONAI.",
        )
    return _simple(kind, arguments)


_SIMPLE = {
    "segresnet": ("segresnet", "init_filters", 8, "blocks_down", 4),
    "vnet": ("vnet", "", 16, "", 5),
    "swinunetr": ("swin_unetr", "feature_size", 24, "", 6),
    "densenet121": ("densenet121", "", 64, "", 5),
}
"""Our name; the argument that sets the first channels, and MONAI's default; the one that lists
levels, and how many it has by default."""


def _simple(kind: str, arguments: dict[str, Any]) -> _Architecture:
    network, widths, width, listed, levels = _SIMPLE[kind]
    settings = dict(arguments)
    return _Architecture(
        network=network,
        dimensions=int(settings.pop("spatial_dims", 3)),
        inputs=int(settings.pop("in_channels", 1)),
        outputs=int(settings.pop("out_channels", 2)),
        first=int(settings.pop(widths, width)) if widths else width,
        levels=len(settings[listed]) if listed in settings else levels,
        settings=settings,
    )


def _resnet(depth: int, arguments: dict[str, Any]) -> _Architecture:
    settings = {**_RESNET, **arguments}
    return _Architecture(
        network="resnet",
        dimensions=int(settings.pop("spatial_dims", 3)),
        inputs=int(settings.pop("n_input_channels", 3)),
        outputs=int(settings.pop("num_classes", 400)),
        settings={**settings, "depth": depth},
    )


def _dynunet(arguments: dict[str, Any], *, has_heads: bool) -> _Architecture:
    settings = dict(arguments)
    dimensions = int(settings.pop("spatial_dims"))
    strides = _steps(settings.pop("strides"), dimensions)
    most = _DYNUNET_FILTERS[dimensions]
    filters = settings.pop("filters", None) or [
        min(2 ** (5 + level), most) for level in range(len(strides))
    ]
    if any(step != 1 for step in strides[0]):
        raise Refused(
            "its first level halves the image, and so would its answer be half as fine",
            hint="Sightline takes networks that answer at the resolution they see.",
        )
    return _Architecture(
        network="dynunet",
        dimensions=dimensions,
        inputs=int(settings.pop("in_channels")),
        outputs=int(settings.pop("out_channels")),
        strides=strides,
        kernels=_steps(settings.pop("kernel_size"), dimensions),
        channels=tuple(int(count) for count in filters[: len(strides)]),
        settings={**settings, "deep_supr_num": settings.get("deep_supr_num", 1) * has_heads},
    )


def _steps(listed: list[Any], dimensions: int) -> tuple[tuple[int, ...], ...]:
    return tuple(
        tuple(int(size) for size in (each if isinstance(each, list) else [each] * dimensions))
        for each in listed
    )


def _plan(
    architecture: _Architecture,
    prepared: Preparation,
    *,
    metadata: dict[str, Any],
    inference: dict[str, Any],
    hints: Hints,
    notes: list[str],
) -> Plan:
    is_flat = architecture.dimensions == 2  # noqa: PLR2004 - rows and columns
    told = entry(metadata, "network_data_format", of=_METADATA)
    image = next(iter(told["inputs"].values()))
    given = (hints.orientation or prepared.orientation).upper()
    if not given:
        notes.append(
            f"it leaves images as they lie; taken as {_UNTOLD}, as DICOM's axial slices lie. Say "
            "--orientation if they lay otherwise"
        )
    lies = given or _UNTOLD
    is_whole = NETWORKS.get(architecture.network).answers == "each patch"
    draft = Plan(
        task="classify" if is_whole else "segment",
        classes=_classes(told, architecture.outputs, first=0 if is_whole else 1),
        modality=hints.modality or _MODALITIES.get(str(image.get("modality", "")).upper(), "MR"),
        spacing_mm=(0.0, 0.0, 0.0),
        patch=(1 if is_flat else 2, 2, 2),
        batch=2,
        intensity=prepared.intensity,
        network=architecture.network,
        channels=architecture.channels or (architecture.first,) * architecture.levels,
        strides=(),
        kernels=(),
        overlap=0.25,
        memory_mb=0,
        reasons={},
        outputs=architecture.outputs,
        input_channels=architecture.inputs,
        orientation=f"S{lies[:2]}" if is_flat else lies,
        network_settings=architecture.settings,
    )
    inferer = _resolved(inference.get("inferer", {}), inference)
    turned = _on_our_axes(draft, architecture, prepared, patch=_patch(inferer, image))
    overlap = inferer.get("overlap", 0.25) if isinstance(inferer, dict) else 0.25
    return dataclasses.replace(adapted(turned), overlap=float(overlap))


def _on_our_axes(
    draft: Plan, architecture: _Architecture, prepared: Preparation, *, patch: list[int]
) -> Plan:
    order = axes_of(draft)
    back = [order.index(axis) for axis in range(3)]

    def ours(values: tuple[float, ...], across: float) -> tuple[float, float, float]:
        own = (across, *values) if draft.is_flat else values
        a, b, c = (own[axis] for axis in back)
        return (a, b, c)

    def triple(values: tuple[float, ...]) -> Triple:
        a, b, c = (int(value) for value in ours(values, 1))
        return (a, b, c)

    dimensions = architecture.dimensions
    reasons = dict.fromkeys(
        (field.name for field in dataclasses.fields(Plan)), "as the bundle says"
    )
    reasons["memory_mb"] = "not estimated: it was trained elsewhere"
    return dataclasses.replace(
        draft,
        spacing_mm=ours((prepared.spacing_mm or (0.0,) * dimensions)[:dimensions], 0.0),
        patch=triple(tuple(patch)),
        strides=tuple(triple(stride) for stride in architecture.strides),
        kernels=tuple(triple(kernel) for kernel in architecture.kernels),
        reasons=reasons,
    )


def _patch(inferer: Any, image: dict[str, Any]) -> list[int]:  # noqa: ANN401 - JSON
    shape = inferer.get("roi_size") if isinstance(inferer, dict) else None
    shape = shape or image.get("spatial_shape")
    if not isinstance(shape, list) or not all(isinstance(size, int) for size in shape):
        raise BadFile(
            f"the bundle does not say what its network sees at once: {shape!r}",
            hint="Write roi_size of its inferer, or spatial_shape of its input, as numbers.",
        )
    return shape


def _classes(told: dict[str, Any], outputs: int, *, first: int) -> tuple[str, ...]:
    if outputs > _MOST_OUTPUTS:
        raise Refused(
            f"its network answers with {outputs:,} numbers",
            hint="Give a network with fewer classes.",
        )
    answer = next(iter(told["outputs"].values()))
    named = {int(number): str(name) for number, name in answer.get("channel_def", {}).items()}
    return tuple(named.get(number, f"class_{number}") for number in range(first, outputs))


PLUGIN = Source(
    title="bundle of MONAI",
    holds="configs/metadata.json, configs/inference.json and models/model.pt or model.ts",
    recognises=_recognises,
    read=_read,
)

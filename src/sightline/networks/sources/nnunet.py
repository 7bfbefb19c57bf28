"""A training folder of nnU-Net v2: its plans, its classes, its checkpoint of one fold."""

import dataclasses
from pathlib import Path
from typing import Any

from sightline.errors import BadFile, Refused
from sightline.networks.framed import axes_of
from sightline.networks.sources.contract import Brought, Hints, Source
from sightline.networks.sources.documents import entry, read_document
from sightline.networks.sources.pickles import read_pickle, tensors_in
from sightline.values.plan import Intensity, Plan, SpacingMm, Triple

_PLANS, _DATASET = "plans.json", "dataset.json"
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_WANTED = (
    "network_weights",
    "trainer_name",
    "current_epoch",
    "init_args",
    "inference_allowed_mirroring_axes",
)
_NETWORKS = {"PlainConvUNet": "plain_unet", "ResidualEncoderUNet": "residual_unet"}
# What our U-Nets are built with; anything else would load and answer wrongly.
_LAYERS: dict[str, tuple[object, ...]] = {
    "conv_bias": (True,),
    "norm_op": ("InstanceNorm3d", "InstanceNorm2d"),
    "norm_op_kwargs": ({"eps": 1e-05, "affine": True},),
    "dropout_op": (None,),
    "nonlin": ("LeakyReLU",),
    "nonlin_kwargs": ({"inplace": True},),
}
_MODALITIES = {"CT": "CT", "PET": "PT", "PT": "PT", "MR": "MR", "MRI": "MR"}
_OWN_FILES = "LPS"
_REORIENTED = {"NibabelIOWithReorient": "RAS"}
_PREFIXES = ("_orig_mod.", "module.")
_WINDOW_OVERLAP = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Folder:
    """What lies in a training folder.

    Attributes:
        configuration: of the plans, with what it inherits.
        checkpoint: as it came from the child.
        classes: class k of a mask is `classes[k - 1]`.
    """

    plans: dict[str, Any]
    dataset: dict[str, Any]
    configuration: dict[str, Any]
    checkpoint: dict[str, Any]
    classes: tuple[str, ...]


def _recognises(folder: Path) -> bool:
    return (folder / _PLANS).is_file() and (folder / _DATASET).is_file()


def _read(folder: Path, hints: Hints) -> Brought:
    path, folds = _checkpoint(folder, hints)
    found = _open(folder, path)
    plan, notes = _plan(found, hints)
    state = found.checkpoint.get("network_weights")
    tensors = {
        f"net.{_bare(name)}": tensor for name, tensor in tensors_in(state, of=path.name).items()
    }
    if folds > 1:
        notes.append(f"{path.parent.name} of {folds} folds; nnU-Net averages those it is given")
    arguments = found.checkpoint["init_args"]
    return Brought(
        plan=plan,
        tensors=tensors,
        origin={
            "made by": "nnU-Net v2",
            "trainer": str(found.checkpoint.get("trainer_name")),
            "configuration": str(arguments["configuration"]),
            "fold": str(arguments.get("fold")),
            "epochs": str(found.checkpoint.get("current_epoch")),
        },
        files=(folder / _PLANS, folder / _DATASET, path),
        notes=tuple(notes),
    )


def _checkpoint(folder: Path, hints: Hints) -> tuple[Path, int]:
    """Return the checkpoint of the fold that is wanted, and how many folds there are."""
    name = f"fold_{hints.fold}" if hints.fold else "fold_*"
    for kind in _CHECKPOINTS:
        found = sorted(folder.glob(f"{name}/{kind}"))
        if found:
            return found[0], len(found)
    raise BadFile(
        f"there is no checkpoint of {name}",
        hint=f"The folder holds plans.json and fold_*/{' or '.join(_CHECKPOINTS)}.",
    )


def _open(folder: Path, path: Path) -> _Folder:
    plans, dataset = read_document(folder / _PLANS), read_document(folder / _DATASET)
    checkpoint = read_pickle(path, _WANTED)
    arguments = checkpoint.get("init_args")
    if not isinstance(arguments, dict) or not isinstance(arguments.get("configuration"), str):
        raise BadFile(
            f"{path.name} does not say which configuration it is of",
            hint="Give a training folder of nnU-Net v2.",
        )
    return _Folder(
        plans=plans,
        dataset=dataset,
        configuration=_configuration(plans, arguments["configuration"]),
        checkpoint=checkpoint,
        classes=_classes(dataset),
    )


def _configuration(plans: dict[str, Any], name: str, depth: int = 0) -> dict[str, Any]:
    configurations = entry(plans, "configurations", of=_PLANS)
    own: dict[str, Any] = entry(configurations, name, of="configurations")
    parent = own.get("inherits_from")
    if parent is None or depth > len(configurations):
        return own
    return _configuration(plans, parent, depth + 1) | own


def _classes(dataset: dict[str, Any]) -> tuple[str, ...]:
    labels = entry(dataset, "labels", of=_DATASET)
    if any(isinstance(value, list) for value in labels.values()):
        raise Refused(
            "it was trained on overlapping regions",
            hint="Sightline takes nnU-Net weights of exclusive classes.",
        )
    numbered = sorted((int(value), str(name)) for name, value in labels.items() if name != "ignore")
    if [number for number, _ in numbered] != list(range(len(numbered))):
        raise BadFile(f"labels of {_DATASET} are not 0, 1, 2 and so on", hint="Mend the file.")
    return tuple(name for _, name in numbered[1:])


def _plan(found: _Folder, hints: Hints) -> tuple[Plan, list[str]]:
    """Return the plan, and what is not here as it was at home."""
    chosen = found.configuration
    if chosen.get("previous_stage"):
        raise Refused(
            "it is the second stage of a cascade, which wants the answer of the first as input",
            hint="Bring 3d_fullres instead.",
        )
    network, arguments = _architecture(chosen)
    channels = entry(found.dataset, "channel_names", of=_DATASET)
    is_flat = len(chosen["patch_size"]) == 2  # noqa: PLR2004 - rows and columns
    intensity, notes = _intensity(found, len(channels))
    orientation, guessed = _orientation(found.plans, hints)
    notes += guessed
    draft = Plan(
        task="segment",
        classes=found.classes,
        modality=hints.modality or _modality(channels),
        spacing_mm=(0.0, 0.0, 0.0),
        patch=(1 if is_flat else 2, 2, 2),
        batch=int(chosen.get("batch_size", 2)),
        intensity=intensity,
        network=network,
        channels=tuple(int(count) for count in arguments["features_per_stage"]),
        strides=(),
        kernels=(),
        overlap=_WINDOW_OVERLAP,
        memory_mb=0,
        reasons={},
        input_channels=len(channels),
        orientation=orientation,
        network_settings=_settings(network, arguments),
    )
    return _on_our_axes(draft, chosen, arguments, mirrored=_mirrored(found.checkpoint)), notes


def _on_our_axes(
    draft: Plan, chosen: dict[str, Any], arguments: dict[str, Any], *, mirrored: list[int]
) -> Plan:
    """Fill in what stands on axes, turned from the network's to ours."""
    order = axes_of(draft)
    back = [order.index(axis) for axis in range(3)]

    def ours(values: list[float], across: float) -> tuple[float, float, float]:
        own = [across, *values] if draft.is_flat else values
        a, b, c = (own[axis] for axis in back)
        return (a, b, c)

    def steps(listed: list[Any]) -> tuple[Triple, ...]:
        each = [step if isinstance(step, list) else [step] * (3 - draft.is_flat) for step in listed]
        return tuple(_triple(ours(step, 1)) for step in each)

    spacing: SpacingMm = ours(chosen["spacing"], 0.0)
    reasons = dict.fromkeys(
        (field.name for field in dataclasses.fields(Plan)), "as nnU-Net planned and trained it"
    )
    reasons["memory_mb"] = "not estimated: it was trained elsewhere"
    return dataclasses.replace(
        draft,
        spacing_mm=spacing,
        patch=_triple(ours(chosen["patch_size"], 1)),
        strides=steps(arguments["strides"]),
        kernels=steps(arguments["kernel_sizes"]),
        mirror_axes=tuple(sorted(order[axis + draft.is_flat] for axis in mirrored)),
        reasons=reasons,
    )


def _architecture(chosen: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return our name of the network and nnU-Net's arguments for it."""
    described = chosen.get("architecture") or _as_architecture(chosen)
    name = str(described["network_class_name"]).rpartition(".")[2]
    if name not in _NETWORKS:
        raise Refused(
            f"its network is a {name}", hint=f"Sightline takes {' and '.join(_NETWORKS)}."
        )
    arguments = dict(described["arch_kwargs"])
    for part, known in _LAYERS.items():
        value = arguments.get(part, known[0])
        if isinstance(value, str):
            value = value.rpartition(".")[2]
        if value not in known and not (part == "dropout_op" and value is None):
            raise Refused(
                f"its layers are built with {part} {value}",
                hint=f"Sightline's are built with {known[0]}.",
            )
    return _NETWORKS[name], arguments


def _as_architecture(chosen: dict[str, Any]) -> dict[str, Any]:
    """Write what plans said before nnU-Net 2.5 as they say it since."""
    kernels = entry(chosen, "conv_kernel_sizes", of="the configuration")
    base, most = int(chosen["UNet_base_num_features"]), int(chosen["unet_max_num_features"])
    name = str(chosen.get("UNet_class_name", "PlainConvUNet"))
    blocks = "n_conv_per_stage" if name == "PlainConvUNet" else "n_blocks_per_stage"
    return {
        "network_class_name": name,
        "arch_kwargs": {
            "features_per_stage": [min(base * 2**level, most) for level in range(len(kernels))],
            "kernel_sizes": kernels,
            "strides": chosen["pool_op_kernel_sizes"],
            blocks: chosen["n_conv_per_stage_encoder"],
            "n_conv_per_stage_decoder": chosen["n_conv_per_stage_decoder"],
        },
    }


def _settings(network: str, arguments: dict[str, Any]) -> dict[str, Any]:
    name, theirs = (
        ("convolutions", "n_conv_per_stage")
        if network == "plain_unet"
        else ("blocks", "n_blocks_per_stage")
    )
    return {
        name: arguments[theirs],
        "decoder_convolutions": arguments["n_conv_per_stage_decoder"],
    }


def _intensity(found: _Folder, channels: int) -> tuple[Intensity, list[str]]:
    schemes = entry(found.configuration, "normalization_schemes", of="the configuration")
    masked = found.configuration.get("use_mask_for_norm") or [False] * channels
    measured = found.plans.get("foreground_intensity_properties_per_channel", {})
    each = [
        _scheme(schemes[channel], bool(masked[channel]), measured.get(str(channel), {}))
        for channel in range(channels)
    ]
    notes = []
    if len(set(each)) > 1:
        notes.append("its channels are scaled differently; here all are scaled as the first")
    if each[0].counted == "nonzero":
        notes.append("voxels of 0 that the body encloses stay 0; nnU-Net scales them, too")
    return each[0], notes


def _scheme(name: str, is_masked: bool, measured: dict[str, float]) -> Intensity:
    match name:
        case "CTNormalization":
            return Intensity(
                scheme="fixed",
                window=(float(measured["percentile_00_5"]), float(measured["percentile_99_5"])),
                centre=float(measured["mean"]),
                width=max(float(measured["std"]), 1e-8),
            )
        case "ZScoreNormalization":
            return Intensity(scheme="deviation", counted="nonzero" if is_masked else "box")
        case "RescaleTo01Normalization":
            return Intensity(scheme="range")
        case "NoNormalization":
            return Intensity(scheme="fixed")
        case "RGBTo01Normalization":
            return Intensity(scheme="fixed", width=255.0)
        case _:
            pass
    raise Refused(
        f"it scales intensities by {name}", hint="Sightline does not know this scheme of nnU-Net."
    )


def _orientation(plans: dict[str, Any], hints: Hints) -> tuple[str, list[str]]:
    """Return where the network's axes run: those of the files, transposed as planned."""
    reader = str(plans.get("image_reader_writer", ""))
    given = hints.orientation.upper() or _REORIENTED.get(reader, "")
    notes = []
    if not given:
        notes.append(
            f"nnU-Net does not record how its files lay; taken as {_OWN_FILES}, as DICOM's axial "
            "slices lie. Say --orientation if they lay otherwise"
        )
    rows = (given or _OWN_FILES)[::-1]
    transposed = plans.get("transpose_forward") or [0, 1, 2]
    return "".join(rows[axis] for axis in transposed), notes


def _modality(channels: dict[str, str]) -> str:
    named = str(next(iter(channels.values()))).upper()
    # nnU-Net's users call MR channels by their sequence: T1, FLAIR, ADC.
    return _MODALITIES.get(named, "MR")


def _mirrored(checkpoint: dict[str, Any]) -> list[int]:
    return list(checkpoint.get("inference_allowed_mirroring_axes") or [])


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _triple(values: tuple[float, float, float]) -> Triple:
    a, b, c = (int(value) for value in values)
    return (a, b, c)


PLUGIN = Source(
    title="training folder of nnU-Net v2",
    holds="plans.json, dataset.json and fold_*/checkpoint_final.pth",
    recognises=_recognises,
    read=_read,
)

"""Models come out of packages: held against their plan, and kept as candidates."""

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from sightline import log
from sightline.engines.limited import Limits
from sightline.errors import BadFile, NameTaken, Refused
from sightline.formats.onnx_graph import run_graph
from sightline.formats.package_plan import check_plan
from sightline.hub.hub import Hub
from sightline.hub.models import models
from sightline.hub.packages import Vouched, installed_as, package_of
from sightline.networks.contract import NETWORKS
from sightline.networks.framed import axes_of
from sightline.networks.proving import prove_fit
from sightline.networks.sources.contract import Hints, limits_of, read_weights
from sightline.networks.weights import load_tensors
from sightline.predict.graph import shapes_of
from sightline.predict.model import ModelManifest, weights_bytes
from sightline.tasks.contract import TASKS
from sightline.train.importing import enter_brought, enter_foreign, recipe_for
from sightline.values.model import ModelRecord
from sightline.values.plan import Plan

_log = log.get("train")
_MIB = 1024**2
_GRAPH_CPU_S = 60.0
# What a network holds at a time: 320 features of 32 bits at full resolution.
_BYTES_A_VOXEL = 1280
_NO_FIT = "Ask the publisher for the weights that the plan of the package is of."


def install(hub: Hub, vouched: Vouched, *, name: str = "") -> ModelRecord:
    """Keep the model of a package as a candidate; a repeat returns what is there.

    Args:
        hub: the store.
        vouched: the package, whose files and publisher were checked.
        name: of the model here; empty for the package's own.

    Raises:
        NameTaken: The name is that of models from elsewhere.
        BadFile: The weights are not those of the plan, or broken.
        Refused: The package asks for something that Sightline does not have.
        UnknownName: Its task or network is not installed.
        MissingExtra: What its network stands on is not installed.
    """
    known = installed_as(hub, vouched)
    if known is not None:
        return known
    name = name or vouched.package.described.name
    _check_name(hub, name, vouched)
    made = _KINDS[vouched.package.weights](hub, vouched, name)
    package = vouched.installed
    _log.info("package_installed", model=made.label, digest=package.digest[:12], key=package.key)
    return made


def _install_tensors(hub: Hub, vouched: Vouched, name: str) -> ModelRecord:
    manifest = _manifest(vouched, name)
    path = vouched.folder / vouched.package.files[0].name
    network = NETWORKS.get(manifest.plan.network)
    _check_answers(manifest.plan, network.answers)
    _prove(manifest.plan, manifest.members, path)
    # What was proven within limits is done again without; the file holds no more than the plan.
    with torch.random.fork_rng():
        built = manifest.build()
    load_tensors(built, load_file(path))
    weights = weights_bytes(built, manifest.classes)
    kept = dataclasses.replace(manifest, weights_digest=hashlib.sha256(weights).hexdigest())
    return enter_foreign(hub, name, kept, weights=weights, facts=_facts(vouched), vouched=vouched)


def _prove(plan: Plan, members: int, path: Path) -> None:
    size = path.stat().st_size
    limits = dataclasses.replace(limits_of(path), memory_bytes=1024 * _MIB + 6 * members * size)
    limits.call(prove_fit, str(path), plan.to_json(), members)


def _install_graph(hub: Hub, vouched: Vouched, name: str) -> ModelRecord:
    manifest = _manifest(vouched, name)
    if manifest.members > 1:
        raise Refused("an ONNX graph is one member", hint="Ask the publisher to average inside.")
    path = vouched.folder / vouched.package.files[0].name
    shape, answer = shapes_of(manifest.plan)
    size = path.stat().st_size
    limits = Limits(
        cpu_s=_GRAPH_CPU_S,
        wall_s=10 * _GRAPH_CPU_S,
        memory_bytes=1024 * _MIB + 6 * size + _BYTES_A_VOXEL * math.prod(manifest.plan.patch),
        answer_bytes=_MIB,
    )
    limits.call(run_graph, path, shape, answer)
    return enter_foreign(
        hub,
        name,
        manifest,
        weights=path.read_bytes(),
        facts=_facts(vouched),
        vouched=vouched,
    )


def _install_folder(hub: Hub, vouched: Vouched, name: str) -> ModelRecord:
    package = vouched.package
    kind, brought = read_weights(vouched.folder, Hints(**package.hints), source=package.weights)
    check_plan(brought.plan, 1)
    _check_answers(brought.plan, NETWORKS.get(brought.plan.network).answers)
    _prove(brought.plan, 1, max(brought.files, key=lambda each: each.stat().st_size))
    for tensor_name, tensor in brought.tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise BadFile(
                f"the weights are refused: {tensor_name[:60]!r} holds numbers that are infinite or "
                "none",
                hint="Ask the publisher for weights of a training that went well.",
            )
    recipe = package.recipe
    return enter_brought(hub, kind, brought, name=name, recipe=recipe, vouched=vouched).model


_KINDS = {
    "safetensors": _install_tensors,
    "onnx": _install_graph,
    "monai_bundle": _install_folder,
    "nnunet": _install_folder,
}


def _manifest(vouched: Vouched, name: str) -> ModelManifest:
    package = vouched.package
    if package.plan is None:
        raise AssertionError("a manifest of this kind has a plan")
    TASKS.get(package.plan.task)
    axes_of(package.plan)
    return ModelManifest(
        recipe=recipe_for(package.plan, name, package.recipe).to_yaml(),
        plan=package.plan,
        classes=package.plan.classes,
        weights_digest=package.files[0].sha256,
        members=package.members,
        weights="onnx" if package.weights == "onnx" else "safetensors",
    )


def _check_answers(plan: Plan, answers: str) -> None:
    wanted = TASKS.get(plan.task).answers
    if answers != wanted:
        raise Refused(
            f"a network that answers {answers} cannot {plan.task}, which asks for {wanted}",
            hint=_NO_FIT,
        )


def _check_name(hub: Hub, name: str, vouched: Vouched) -> None:
    """Do nothing unless models of another origin are called so: the newest of a name counts."""
    publisher = vouched.package.described.publisher
    for each in models(hub):
        if each.name != name:
            continue
        theirs = package_of(hub, each)
        is_same = theirs is not None and theirs.is_signed and vouched.installed.is_signed
        if theirs is None or not is_same or theirs.described.publisher != publisher:
            raise NameTaken(
                f"{each.label} did not come from {publisher}",
                hint="Give the model of the package another name here: --name NAME",
            )


def _facts(vouched: Vouched) -> dict[str, Any]:
    package = vouched.package
    return {
        "source": "package",
        "origin": {"made by": package.described.publisher},
        "files": {each.name: each.sha256 for each in package.files},
        "notes": [],
    }

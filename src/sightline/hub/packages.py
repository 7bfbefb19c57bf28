"""Model packages on their way in and out: who vouches for one, and what the hub keeps of it."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sightline.engines.limited import Limits
from sightline.errors import BadFile, Refused
from sightline.formats.model_package import (
    read_manifest,
    read_signature,
    write_manifest,
    write_package,
    write_signature,
)
from sightline.formats.onnx_graph import check_graph
from sightline.formats.package_files import LARGEST_BYTES, Head, open_files, open_head
from sightline.formats.signature import is_signed
from sightline.formats.tensor_file import check_tensor_file
from sightline.hub.hub import Hub
from sightline.hub.models import model_of_run, run
from sightline.hub.publishers import publisher
from sightline.values.identity import LineageId
from sightline.values.model import ModelRecord
from sightline.values.package import InstalledPackage, ModelPackage, PackagedFile

_MIB = 1024**2
_DIGITS = 24
_HEAD = Limits(cpu_s=3.0, memory_bytes=256 * _MIB, answer_bytes=4 * _MIB)
_CHECKS: dict[str, Callable[[Path], int]] = {
    "safetensors": check_tensor_file,
    "onnx": check_graph,
}


class Signs(Protocol):
    """What signs for a site."""

    @property
    def public_key(self) -> str:
        """As hexadecimal digits."""

    def sign(self, message: bytes) -> str:
        """Return the signature as hexadecimal digits."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Vouched:
    """A package whose manifest, publisher and files were held against each other.

    Attributes:
        folder: the files of the weights, by the names of the manifest; gone afterwards.
    """

    package: ModelPackage
    installed: InstalledPackage
    folder: Path

    @property
    def run_id(self) -> LineageId:
        """The run that stands for it, so that a repeat is the same."""
        return LineageId(f"run-{self.installed.digest[:_DIGITS]}")


@contextmanager
def opened(hub: Hub, path: Path, *, may_be_unsigned: bool = False) -> Iterator[Vouched]:
    """Give a package once its publisher is known and every byte is as the manifest says.

    Args:
        hub: knows the publishers.
        path: a zip file or a folder.
        may_be_unsigned: whether nobody need vouch for it.

    Raises:
        BadFile: It is broken, altered or made to do harm.
        BadRecipe: Its recipe does not validate.
        Refused: Nobody signed it, or somebody else did, or its weights are not taken.
        UnknownName: Its publisher is not trusted.
        MissingExtra: What reads its weights is not installed.
    """
    with _translated(path):
        head = _HEAD.call(open_head, path)
    package = read_manifest(head.manifest)
    key = _signed_by(hub, package, head, may_be_unsigned=may_be_unsigned)
    _check_named(package, head)
    with tempfile.TemporaryDirectory(prefix="sightline-package-") as name:
        folder = Path(name)
        with _translated(path):
            _unpack(package, path, folder)
        _check_contents(package, folder)
        digest = hashlib.sha256(head.manifest + head.signature).hexdigest()
        yield Vouched(
            package=package,
            installed=InstalledPackage(
                digest=digest, key=key, weights=package.weights, described=package.described
            ),
            folder=folder,
        )


def pack(package: ModelPackage, weights: bytes, path: Path, *, signer: Signs) -> str:
    """Write a package of one file of weights, signed; return its digest.

    Args:
        package: whose `files` names no file yet.
        weights: the content of its one file.
        path: a new file.
        signer: of the site.

    Raises:
        Refused: There is a file already.
        BadFile: What is said of the model cannot stand in a manifest.
        OSError: It cannot be written.
    """
    if path.exists():
        raise Refused(f"{path} is there already", hint="Name a new file.")
    name = f"weights.{package.weights}"
    digest = hashlib.sha256(weights).hexdigest()
    file = PackagedFile(name=name, size_bytes=len(weights), sha256=digest)
    manifest = write_manifest(dataclasses.replace(package, files=(file,)))
    read_manifest(manifest)  # what we write, others can read
    signature = write_signature(signer.public_key, signer.sign(manifest))
    write_package(path, manifest=manifest, signature=signature, files={name: weights})
    return hashlib.sha256(manifest + signature).hexdigest()


def installed_as(hub: Hub, vouched: Vouched) -> ModelRecord | None:
    """Return the model that a package became before; None where it did not."""
    return model_of_run(hub, vouched.run_id)


def package_of(hub: Hub, record: ModelRecord) -> InstalledPackage | None:
    """Return the package that a model came in; None where it came otherwise."""
    content = (run(hub, record.run_id).record.get("elsewhere") or {}).get("package")
    return InstalledPackage.from_json(content) if content else None


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadFile(
            f"{path.name} cannot be read: {error.strerror}",
            hint="Look at its path, and at the space left for its files.",
        ) from error


def _signed_by(hub: Hub, package: ModelPackage, head: Head, *, may_be_unsigned: bool) -> str:
    """Return the key of the publisher; empty where nobody signed and nobody need."""
    name = package.described.publisher
    if not head.signature:
        if may_be_unsigned:
            return ""
        raise Refused(
            "nobody signed the package",
            hint="Ask its publisher for the signed one. --allow-unsigned takes it all the same, "
            "and the model says so for ever.",
        )
    claimed, signature = read_signature(head.signature)
    known = publisher(hub, name)
    if is_signed(head.manifest, signature, known.public_key):
        return known.public_key
    if claimed != known.public_key:
        raise Refused(
            f"the package is signed by the key {claimed[:16]}, and {name} is known here by "
            f"{known.public_key[:16]}",
            hint="Ask the publisher by another way than the package whether the key changed; then "
            "sightline models trust PUBLISHER KEYFILE --replace",
        )
    raise Refused(
        "the signature is not of this manifest: one of them was altered",
        hint="Get the package from its publisher again.",
    )


def _check_named(package: ModelPackage, head: Head) -> None:
    named = {each.name: each.size_bytes for each in package.files}
    listed = dict(head.listed)
    for name in sorted(named.keys() ^ listed.keys()):
        if name in listed:
            raise _altered(f"it holds {name}, which its manifest does not name")
        raise _altered(f"it lacks {name}, which its manifest names")
    for name, size in named.items():
        if size != listed[name]:
            raise _altered(f"{name} has {listed[name]:,} bytes, and its manifest says {size:,}")


def _unpack(package: ModelPackage, path: Path, folder: Path) -> None:
    """Write the files that the manifest names, one after the other, each by its digest."""
    for each in package.files:
        limits = Limits(
            cpu_s=3.0 + each.size_bytes / (20 * _MIB),
            wall_s=120.0 + each.size_bytes / _MIB,
            memory_bytes=256 * _MIB + 3 * each.size_bytes,
            answer_bytes=min(each.size_bytes, LARGEST_BYTES) + _MIB,
        )
        (content,) = limits.call(open_files, path, (each.name,))
        if hashlib.sha256(content).hexdigest() != each.sha256:
            raise _altered(f"{each.name} is not what its manifest names by digest")
        target = folder / each.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _check_contents(package: ModelPackage, folder: Path) -> None:
    check = _CHECKS.get(package.weights)
    if check is None:
        return  # folders of others are read by their own sources, in a child too
    path = folder / package.files[0].name
    size = path.stat().st_size
    limits = Limits(
        cpu_s=5.0 + size / (20 * _MIB),
        memory_bytes=1024 * _MIB + 6 * size,
        answer_bytes=_MIB,
    )
    limits.call(check, path)


def _altered(why: str) -> BadFile:
    return BadFile(
        f"the package is refused: {why}", hint="Get the package from its publisher again."
    )

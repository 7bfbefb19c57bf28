"""Packages that mean harm by how they are packed, what they say, and who signed them."""

import hashlib
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import hostile_weights
from tests.hostile_kit import HOSTILE, MIB, TENSORS, Kit, Maker, Trap, table
from tests.packages import PLAN, RECIPE, Key, manifest_of, signed, write, write_zip

__all__ = ["HOSTILE", "Kit", "hostile_weights"]

# Names that lead elsewhere, in the zip and in the manifest alike.


def _called(name: str) -> Maker:
    return lambda kit: write(kit.path, {TENSORS: kit.weights, name: b"evil"})


table(
    "refused: ",
    name_climbing=_called("../evil.txt"),
    name_climbing_far=_called("../../../../../../tmp/evil.txt"),
    name_climbing_within=_called("models/../../evil.txt"),
    name_absolute=_called("/tmp/evil.txt"),  # noqa: S108 - it is what is refused
    name_of_a_drive=_called("C:\\evil.txt"),
    name_of_a_share=_called("\\\\host\\evil.txt"),
    name_with_backslashes=_called("..\\..\\evil.txt"),
    name_with_newline=_called("evil\n.txt"),
    name_with_escape=_called("\x1b[2Jevil.txt"),
    name_turned=_called("evil\u202etxt.exe"),
    name_hidden=_called(".ssh/authorized_keys"),
    name_of_no_folder=_called("models//evil.txt"),
    name_of_the_folder=_called("./evil.txt"),
    name_long=_called("a" * 300),
    name_deep=_called("/".join("a" * 20)),
)


def _entries(kit: Kit, *more: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """Write a sound package with entries beside its own."""
    manifest = json.dumps(manifest_of({TENSORS: kit.weights})).encode()
    own = (("manifest.json", manifest), ("signature.json", signed(manifest, Key())))
    return write_zip(kit.path, [*own, (TENSORS, kit.weights), *more])


def _moded(mode: int) -> Maker:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = mode << 16
    return lambda kit: _entries(kit, (entry, b"/etc/passwd"))


def _unpacked(kit: Kit, spoil: Callable[[Path], object]) -> Path:
    folder = kit.folder / "package"
    with zipfile.ZipFile(kit.tensors()) as archive:
        archive.extractall(folder)
    spoil(folder)
    return folder


def _link_weights(folder: Path) -> None:
    (folder / TENSORS).unlink()
    (folder / TENSORS).symlink_to("/etc/passwd")


def _pipe(kit: Kit) -> Path:
    os.mkfifo(kit.path)
    return kit.path


table(
    "is a link or no plain file",
    zip_with_a_link=_moded(0o120777),
    zip_with_a_device=_moded(0o020666),
    zip_with_a_pipe=_moded(0o010666),
    folder_with_a_link=lambda kit: _unpacked(kit, _link_weights),
    folder_with_a_linked_folder=lambda kit: _unpacked(
        kit, lambda folder: (folder / "models").symlink_to("/etc")
    ),
    folder_with_a_pipe=lambda kit: _unpacked(kit, lambda folder: os.mkfifo(folder / "pipe")),
)
table("neither a zip file nor a folder", package_that_is_a_pipe=_pipe)


# Zips that are bombs, or not what they list.


def _patched(kit: Kit, offset: int, value: bytes) -> Path:
    """Change what the directory of a sound zip says of the weights (APPNOTE 4.3.12)."""
    content = bytearray(kit.tensors().read_bytes())
    at = content.rindex(b"PK\x01\x02") + offset
    content[at : at + len(value)] = value
    kit.path.write_bytes(content)
    return kit.path


def _deflated(kit: Kit, name: str, letter: bytes, mebibytes: int) -> Path:
    manifest = json.dumps(manifest_of({TENSORS: b""})).encode()
    with zipfile.ZipFile(kit.path, "w", zipfile.ZIP_DEFLATED) as archive:
        if name != "manifest.json":
            archive.writestr("manifest.json", manifest)
        with archive.open(name, "w", force_zip64=True) as file:
            for _ in range(mebibytes):
                file.write(letter * MIB)
    return kit.path


def _by(kit: Kit, method: int) -> Path:
    content = json.dumps(manifest_of({TENSORS: kit.weights})).encode()
    with zipfile.ZipFile(kit.path, "w", method) as archive:
        archive.writestr("manifest.json", content)
        archive.writestr(TENSORS, kit.weights)
    return kit.path


def _with_nul(kit: Kit) -> Path:
    content = _entries(kit, ("evil.txt-.safetensors", b"evil")).read_bytes()
    kit.path.write_bytes(content.replace(b"evil.txt-", b"evil.txt\0"))
    return kit.path


def _local_name(kit: Kit) -> Path:
    """Call the weights otherwise in their own header than in the directory."""
    content = bytearray(kit.tensors().read_bytes())
    at = content.index(TENSORS.encode(), content.rindex(b"PK\x03\x04"))
    content[at : at + 7] = b"WEIGHTS"
    kit.path.write_bytes(content)
    return kit.path


def _overlapping(kit: Kit) -> Path:
    """Let two entries of the directory share one run of bytes."""
    content = kit.tensors().read_bytes()
    end = content.rindex(b"PK\x05\x06")
    twin = bytearray(content[content.rindex(b"PK\x01\x02") : end])
    twin[46:48] = b"tw"
    tail = bytearray(content[end:])
    (count,), (size,) = struct.unpack_from("<H", tail, 10), struct.unpack_from("<L", tail, 12)
    struct.pack_into("<HHL", tail, 8, count + 1, count + 1, size + len(twin))
    kit.path.write_bytes(content[:end] + bytes(twin) + bytes(tail))
    return kit.path


table("a file is called", zip_with_nul=_with_nul)
table(
    "claims to unpack to",
    bomb_of_spaces_as_manifest=lambda kit: _deflated(kit, "manifest.json", b" ", 1024),
    bomb_of_zeros_as_weights=lambda kit: _deflated(kit, TENSORS, b"\0", 512),
    zip_that_claims_gigabytes=lambda kit: _patched(kit, 24, struct.pack("<L", 2**32 - 2)),
)
table(
    "is larger than",
    manifest_of_two_megabytes=lambda kit: write_zip(
        kit.path, [("manifest.json", b" " * (2 * MIB)), (TENSORS, kit.weights)]
    ),
    signature_of_a_megabyte=lambda kit: write_zip(
        kit.path, [("manifest.json", b"{}"), ("signature.json", b" " * MIB)]
    ),
)
table(
    "more than 1000 files",
    zip_of_many_files=lambda kit: _entries(kit, *((f"a{n}", b"") for n in range(20_000))),
)
table(
    "is encrypted, or compressed as no package is",
    zip_encrypted=lambda kit: _patched(kit, 8, b"\1\0"),
    zip_of_another_method=lambda kit: _patched(kit, 10, b"\x63\0"),
    zip_by_lzma=lambda kit: _by(kit, zipfile.ZIP_LZMA),
    zip_by_bzip2=lambda kit: _by(kit, zipfile.ZIP_BZIP2),
)
table(
    "is broken",
    zip_of_another_checksum=lambda kit: _patched(kit, 16, b"\0\0\0\0"),
    zip_of_another_local_name=_local_name,
    zip_whose_entry_lies_elsewhere=lambda kit: _patched(kit, 42, b"\7\0\0\0"),
)
table("which its manifest does not name", zip_of_overlapping_entries=_overlapping)
table(
    "two files have one name",
    zip_with_weights_twice=lambda kit: _entries(kit, (TENSORS, b"another")),
    zip_with_a_manifest_twice=lambda kit: _entries(kit, ("manifest.json", b"{}")),
    zip_with_a_signature_twice=lambda kit: _entries(kit, ("signature.json", b"{}")),
    zip_with_a_name_in_capitals=lambda kit: _entries(kit, (TENSORS.upper(), b"another")),
)


def _cut(kit: Kit, keep: float) -> Path:
    content = kit.tensors().read_bytes()
    kit.path.write_bytes(content[: int(len(content) * keep)])
    return kit.path


def _of(kit: Kit, content: bytes) -> Path:
    kit.path.write_bytes(content)
    return kit.path


table(
    "no zip file",
    zip_cut_in_half=lambda kit: _cut(kit, 0.5),
    zip_without_its_end=lambda kit: _cut(kit, 0.99),
    zip_of_noise=lambda kit: _of(kit, hashlib.shake_128(b"noise").digest(4096)),
)
table("neither a zip file nor a folder", zip_of_nothing=lambda kit: _of(kit, b""))
table(
    "there is no manifest.json",
    zip_without_a_manifest=lambda kit: write_zip(kit.path, [(TENSORS, kit.weights)]),
    zip_with_a_manifest_of_yaml=lambda kit: write_zip(
        kit.path,
        [
            ("manifest.yaml", f"!!python/object/apply:os.system [{kit.shell}]".encode()),
            (TENSORS, kit.weights),
        ],
    ),
)


# Who signed, and what.


def _signed(
    kit: Kit,
    manifest: dict[str, Any],
    signature: Callable[[bytes], bytes],
    *more: tuple[str, bytes],
) -> Path:
    content = json.dumps(manifest).encode()
    own = (("manifest.json", content), ("signature.json", signature(content)))
    return write_zip(kit.path, [*own, (TENSORS, kit.weights), *more])


def _claiming(kit: Kit, signature: str, public_key: str = "") -> Path:
    """Put any signature beside a sound manifest."""
    document = json.loads(signed(b"", Key())) | {"signature": signature}
    document |= {"public_key": public_key or Key().public_key}
    encoded = json.dumps(document).encode()
    return _signed(kit, manifest_of({TENSORS: kit.weights}), lambda _content: encoded)


def _altered(kit: Kit, old: str, new: str) -> Path:
    """Alter the manifest after it was signed."""
    manifest = json.dumps(manifest_of({TENSORS: kit.weights}))
    content = manifest.replace(old, new).encode()
    assert content != manifest.encode()
    signature = signed(manifest.encode(), Key())
    own = (("manifest.json", content), ("signature.json", signature))
    return write_zip(kit.path, [*own, (TENSORS, kit.weights)])


def _flipped(kit: Kit) -> Path:
    weights = bytearray(kit.weights)
    weights[-1] ^= 1
    manifest = manifest_of({TENSORS: kit.weights})
    kit.weights = bytes(weights)
    return _signed(kit, manifest, lambda content: signed(content, Key()))


def _of_another(kit: Kit) -> Path:
    other = json.dumps(manifest_of({TENSORS: kit.weights}, model__version="2")).encode()
    manifest = manifest_of({TENSORS: kit.weights})
    return _signed(kit, manifest, lambda _content: signed(other, Key()))


def _unsigned(kit: Kit) -> Path:
    manifest = json.dumps(manifest_of({TENSORS: kit.weights})).encode()
    return write_zip(kit.path, [("manifest.json", manifest), (TENSORS, kit.weights)])


table("nobody signed the package", signature_missing=_unsigned)
table(
    "the package is signed by the key",
    signature_of_another_key=lambda kit: kit.tensors(key=Key(2)),
)
table(
    "the signature is not of this manifest",
    signature_of_another_manifest=_of_another,
    signature_of_another_key_in_our_name=lambda kit: _claiming(kit, Key(2).sign(b"")),
    signature_of_zeros=lambda kit: _claiming(kit, "0" * 128),
    signature_too_short=lambda kit: _claiming(kit, "0" * 64),
    manifest_with_another_use=lambda kit: _altered(kit, "To outline", "To diagnose"),
    manifest_with_other_limits=lambda kit: _altered(kit, "Never tested", "Well tested"),
    manifest_with_another_name=lambda kit: _altered(kit, '"blobs"', '"lungs"'),
    manifest_with_one_blank_more=lambda kit: _altered(kit, '"format"', ' "format"'),
)


def _with_signature(content: bytes) -> Maker:
    return lambda kit: _signed(kit, manifest_of({TENSORS: kit.weights}), lambda _content: content)


table(
    "signature.json holds no signature",
    signature_of_no_hex=lambda kit: _claiming(kit, "z" * 128),
    signature_of_no_json=_with_signature(b"\0\xff"),
    signature_of_a_list=_with_signature(b"[]"),
    signature_nested=_with_signature(b"[" * 4000),
    signature_of_another_version=_with_signature(
        b'{"format": "sightline-package-signature", "version": 2, "public_key": "", "signature": ""}'
    ),
    signature_of_numbers=_with_signature(
        b'{"format": "sightline-package-signature", "version": 1, "public_key": 1, "signature": 2}'
    ),
)
table(
    "is not what its manifest names by digest",
    weights_with_a_flipped_bit=_flipped,
    weights_of_another_digest=lambda kit: kit.tensors(
        files=[{"name": TENSORS, "size_bytes": len(kit.weights), "sha256": "0" * 64}]
    ),
)
table(
    "and its manifest says",
    weights_of_another_size=lambda kit: kit.tensors(
        files=[{"name": TENSORS, "size_bytes": 2**40, "sha256": "0" * 64}]
    ),
)
table(
    "which its manifest does not name",
    file_that_nobody_named=lambda kit: _entries(kit, ("more.bin", b"more")),
    card_that_nobody_named=lambda kit: _entries(
        kit, ("card.html", f"<script>fetch('http://127.0.0.1:{kit.port}')</script>".encode())
    ),
    pickle_that_nobody_named=lambda kit: _entries(
        kit, ("data.pkl", pickle.dumps(Trap(os.system, kit.shell)))
    ),
    script_that_nobody_named=lambda kit: _entries(kit, ("install.py", kit.code.encode())),
)
table(
    "which its manifest names",
    weights_that_are_not_there=lambda kit: write_zip(
        kit.path,
        [
            ("manifest.json", (content := json.dumps(manifest_of({TENSORS: b""})).encode())),
            ("signature.json", signed(content, Key())),
        ],
    ),
)


# What a manifest says.


def _manifest(kit: Kit, content: bytes) -> Path:
    own = (("manifest.json", content), ("signature.json", signed(content, Key())))
    return write_zip(kit.path, [*own, (TENSORS, kit.weights)])


def _says(**changes: object) -> Maker:
    return lambda kit: kit.tensors(**changes)


def _plan(**changes: object) -> Maker:
    return lambda kit: kit.tensors(plan=PLAN.to_json() | changes)


def _recipe(**changes: object) -> Maker:
    return lambda kit: kit.tensors(recipe=RECIPE.model_dump(mode="json") | changes)


def _both(kit: Kit, *, kind: str) -> Path:
    recipe = RECIPE.model_dump(mode="json")
    task = recipe["task"] | {"kind": kind}
    return kit.tensors(recipe=recipe | {"task": task}, plan=PLAN.to_json() | {"task": kind})


def _instead(kit: Kit, old: bytes, new: bytes) -> Path:
    """Write into the text of a manifest what no writer of JSON would; it is signed so."""
    content = json.dumps(manifest_of({TENSORS: kit.weights})).encode()
    assert old in content
    return _manifest(kit, content.replace(old, new, 1))


table("is trusted here", publisher_unknown=_says(model__publisher="Somebody Else"))
table(
    "the manifest of the package is refused",
    manifest_of_nothing=lambda kit: _manifest(kit, b""),
    manifest_of_noise=lambda kit: _manifest(kit, b"\xff\xfe\0\0" * 99),
    manifest_of_spaces=lambda kit: _manifest(kit, b" " * MIB),
    manifest_of_yaml_tags=lambda kit: _manifest(
        kit, f"model: !!python/object/apply:os.system [{kit.shell}]".encode()
    ),
    manifest_that_is_a_pickle=lambda kit: _manifest(kit, pickle.dumps(Trap(os.system, kit.shell))),
    manifest_nested=lambda kit: _manifest(kit, b"[" * 500_000),
    manifest_nested_in_a_recipe=lambda kit: _instead(
        kit, b'"recipe": {', b'"recipe": {"x": ' + b"[" * 90_000 + b"]" * 90_000 + b", "
    ),
    manifest_of_a_list=lambda kit: _manifest(kit, b"[]"),
    manifest_with_a_name_twice=lambda kit: _instead(
        kit, b'"format"', b'"format": "sightline-model-package", "format"'
    ),
    manifest_with_nan=lambda kit: _instead(kit, b'"overlap": 0.5', b'"overlap": NaN'),
    manifest_with_an_endless_number=lambda kit: _instead(
        kit, b'"members": 1', b'"members": ' + b"9" * 100_000
    ),
    manifest_of_another_version=_says(version=2),
    manifest_of_another_format=_says(format="sightline-plan"),
    manifest_with_more=_says(script="install.py"),
    manifest_with_a_card_of_html=_says(model__card="<script>alert(1)</script>"),
    manifest_of_no_use=_says(model__intended_use=" \n"),
    manifest_of_no_limits=_says(model__limits=""),
    manifest_of_endless_limits=_says(model__limits="a" * 9000),
    manifest_with_a_bell=_says(model__title="blobs\a"),
    manifest_with_an_escape=_says(model__intended_use="\x1b]0;evil\x07 blobs"),
    manifest_turned=_says(model__publisher="Institute\u202e"),
    manifest_with_half_a_letter=lambda kit: _instead(
        kit, b'"title": "Two', b'"title": "\\ud800Two'
    ),
    name_of_a_model_that_climbs=_says(model__name="../../etc"),
    name_of_a_model_with_a_slash=_says(model__name="a/b"),
    name_of_a_model_with_nul=_says(model__name="a\0b"),
    name_of_a_model_with_newline=_says(model__name="blobs\n"),
    name_of_a_model_of_blanks=_says(model__name=" "),
    name_of_a_model_at_a_version=_says(model__name="blobs@7"),
    version_with_newline=_says(model__version="1\n"),
    weights_of_pickle=_says(weights__kind="pickle"),
    weights_of_torchscript=_says(weights__kind="torchscript"),
    weights_of_no_members=_says(weights__members=0),
    weights_with_hints_of_their_own=_says(weights__hints={"command": "touch"}),
    weights_without_a_plan=_says(plan=None),
    weights_that_are_the_manifest=_says(
        files=[{"name": "manifest.json", "size_bytes": 1, "sha256": "0" * 64}]
    ),
    weights_named_twice=lambda kit: kit.tensors(
        files=[{"name": TENSORS, "size_bytes": len(kit.weights), "sha256": "0" * 64}] * 2
    ),
    weights_under_another_name=lambda kit: write(kit.path, {"weights.pt": kit.weights}),
    weights_of_a_negative_size=_says(
        files=[{"name": TENSORS, "size_bytes": -1, "sha256": "0" * 64}]
    ),
    weights_of_no_digest=_says(files=[{"name": TENSORS, "size_bytes": 1, "sha256": "md5"}]),
    recipe_of_other_classes=_recipe(task={"kind": "segment", "classes": ["lung"]}),
    plan_of_other_classes=_plan(classes=["lung"]),
    plan_of_another_version=_plan(version=9),
    plan_with_more=_plan(command="touch"),
    plan_of_text=_plan(patch="128"),
)
table(
    "a recipe holds no such setting",
    recipe_with_more=_recipe(command="touch"),
    recipe_of_a_pickle=_recipe(__reduce__=["os.system", ["touch"]]),
)
table(
    "triage names",
    recipe_that_triages_others=_recipe(triage=[{"class_name": "lung", "words": "lung"}]),
)
table(
    "the plan of the package is refused",
    plan_of_endless_channels=_plan(channels=[4, 2**40]),
    plan_of_no_channels=_plan(channels=[0, 8]),
    plan_of_an_endless_patch=_plan(patch=[2**20, 2**20, 2**20]),
    plan_of_a_negative_patch=_plan(patch=[-8, 16, 16]),
    plan_of_endless_levels=_plan(channels=[4] * 5000),
    plan_of_endless_kernels=_plan(kernels=[[3, 3, 3], [999, 999, 999]]),
    plan_of_endless_outputs=_plan(outputs=10**9),
    plan_of_endless_inputs=_plan(input_channels=10**9),
    plan_of_endless_settings=_plan(network_settings={"convolutions": [10**9, 1]}),
    plan_of_nested_settings=_plan(network_settings={"a": [[[[[[1]]]]]]}),
    plan_of_infinite_spacing=lambda kit: _instead(
        kit, b'"spacing_mm": [1.5', b'"spacing_mm": [1e999'
    ),
    plan_that_overlaps_wholly=_plan(overlap=1.0),
    plan_that_mirrors_elsewhere=_plan(mirror_axes=[7]),
    members_without_end=_says(weights__members=10**6),
)
table(
    "sightline.tasks has no",
    task_of_nobody=lambda kit: _both(kit, kind="execute"),
    task_of_a_contract=lambda kit: _both(kit, kind="contract"),
)
table(
    "sightline.networks has no",
    network_of_nobody=_plan(network="os"),
    network_of_a_path=_plan(network="..sources.pickles"),
    network_of_a_helper=_plan(network="proving"),
)
table("is no orientation", plan_of_no_orientation=_plan(orientation="XYZ"))
table(
    "cannot segment, which asks for each voxel",
    network_that_answers_otherwise=_plan(network="densenet121"),
)
table(
    "cannot be built",
    plan_of_odd_strides=_plan(strides=[[1, 1, 1]]),
)
table("has no setting", plan_of_unknown_settings=_plan(network_settings={"command": "touch"}))

"""Who vouches for a package, and that it comes out as it was packed."""

import dataclasses
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from sightline.errors import BadFile, NameTaken, Refused, UnknownName
from sightline.formats.model_package import read_manifest, write_manifest
from sightline.hub.hub import Hub
from sightline.hub.packages import opened, pack
from sightline.hub.publishers import distrust, publishers, trust
from sightline.values.package import ModelPackage
from tests.packages import (
    DESCRIBED,
    PLAN,
    PUBLISHER,
    RECIPE,
    Key,
    manifest_of,
    tiny_weights,
    write,
    write_zip,
)

NAME = "weights.safetensors"
PACKAGE = ModelPackage(
    described=DESCRIBED, weights="safetensors", recipe=RECIPE, plan=PLAN, files=()
)


@pytest.fixture
def trusting(hub: Hub) -> Hub:
    trust(hub, PUBLISHER, Key().public_key, by="Dr A")
    return hub


def test_what_is_packed_comes_out_as_it_was(trusting: Hub, tmp_path: Path) -> None:
    path, weights = tmp_path / "blobs.zip", tiny_weights()
    digest = pack(PACKAGE, weights, path, signer=Key())
    with opened(trusting, path) as vouched:
        found = dataclasses.replace(vouched.package, files=())
        assert found == PACKAGE
        assert vouched.installed.digest == digest
        assert vouched.installed.key == Key().public_key
        assert (vouched.folder / NAME).read_bytes() == weights
        folder = vouched.folder
    assert not folder.exists()


def test_packing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack(PACKAGE, tiny_weights(), tmp_path / name, signer=Key())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with pytest.raises(Refused, match="is there already"):
        pack(PACKAGE, tiny_weights(), tmp_path / "one", signer=Key())


def test_words_that_no_manifest_takes_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    told = dataclasses.replace(DESCRIBED, limits="\x1b[2J")
    with pytest.raises(BadFile, match=r"model\.limits"):
        pack(dataclasses.replace(PACKAGE, described=told), b"", tmp_path / "a", signer=Key())
    assert not (tmp_path / "a").exists()


def test_a_manifest_comes_back() -> None:
    content = json.dumps(manifest_of({NAME: b"a"})).encode()
    assert read_manifest(write_manifest(read_manifest(content))) == read_manifest(content)


def test_a_folder_is_taken_as_its_zip(trusting: Hub, tmp_path: Path) -> None:
    with zipfile.ZipFile(write(tmp_path / "a.zip", {NAME: tiny_weights()})) as archive:
        archive.extractall(tmp_path / "a")
    with opened(trusting, tmp_path / "a.zip") as zipped, opened(trusting, tmp_path / "a") as lying:
        assert zipped.installed == lying.installed


def test_a_package_by_hand_is_signed_by_openssl(hub: Hub, tmp_path: Path) -> None:
    """The how-to tells publishers without Sightline how."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    openssl("pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der")
    public_key = (tmp_path / "public.der").read_bytes()[-32:].hex()
    weights, manifest = tiny_weights(), tmp_path / "manifest.json"
    manifest.write_text(json.dumps(manifest_of({NAME: weights})))
    openssl(
        *[
            "pkeyutl",
            "-sign",
            "-rawin",
            "-inkey",
            "key.pem",
            "-in",
            "manifest.json",
            "-out",
            "signature",
        ]
    )
    signature = {
        "format": "sightline-package-signature",
        "version": 1,
        "public_key": public_key,
        "signature": (tmp_path / "signature").read_bytes().hex(),
    }
    path = write_zip(
        tmp_path / "a.zip",
        [
            ("manifest.json", manifest.read_bytes()),
            ("signature.json", json.dumps(signature).encode()),
            (NAME, weights),
        ],
    )
    trust(hub, PUBLISHER, public_key)
    with opened(hub, path) as vouched:
        assert vouched.installed.key == public_key


def test_nobody_is_trusted_at_first(hub: Hub, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", {NAME: tiny_weights()})
    with pytest.raises(UnknownName, match="is trusted here"), opened(hub, path):
        pass
    # A signature that cannot be checked is no reason to do without one.
    with pytest.raises(UnknownName), opened(hub, path, may_be_unsigned=True):
        pass


def test_an_unsigned_package_is_taken_only_where_that_is_said(
    trusting: Hub, tmp_path: Path
) -> None:
    manifest = json.dumps(manifest_of({NAME: tiny_weights()})).encode()
    path = write_zip(tmp_path / "a.zip", [("manifest.json", manifest), (NAME, tiny_weights())])
    with pytest.raises(Refused, match="nobody signed"), opened(trusting, path):
        pass
    with opened(trusting, path, may_be_unsigned=True) as vouched:
        assert not vouched.installed.is_signed


def test_another_key_takes_a_word_more(trusting: Hub) -> None:
    trust(trusting, PUBLISHER, Key().public_key)  # the same again
    with pytest.raises(NameTaken, match="another key"):
        trust(trusting, PUBLISHER, Key(2).public_key)
    trust(trusting, PUBLISHER, Key(2).public_key, by="Dr B", replace=True)
    (known,) = publishers(trusting)
    assert (known.name, known.public_key) == (PUBLISHER, Key(2).public_key)
    assert known.trusted_by == "Dr B"


def test_trust_ends(trusting: Hub, tmp_path: Path) -> None:
    distrust(trusting, PUBLISHER)
    with pytest.raises(UnknownName):
        distrust(trusting, PUBLISHER)
    path = write(tmp_path / "a.zip", {NAME: tiny_weights()})
    with pytest.raises(UnknownName), opened(trusting, path):
        pass


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a" * 201])
def test_a_publisher_has_a_name(hub: Hub, name: str) -> None:
    with pytest.raises(Refused):
        trust(hub, name, Key().public_key)

"""A model goes from one site to another as a signed file, as their users send it."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.packages import PUBLISHER, Key, tiny_weights, write

BUNDLE = Path(__file__).parents[1] / "data" / "weights" / "monai"
TOLD = ("--intended-use", "Blobs on phantoms", "--limits", "Never on people", "--licence", "CC0")


@pytest.fixture
def packed(run: Run, tmp_path: Path) -> Path:
    """Pack a model at another site, and fetch its key."""
    home = {"SIGHTLINE_DATA_DIR": str(tmp_path / "home")}
    assert run("models", "import", BUNDLE, "--name", "blobs", **home).returncode == 0
    to = ("--to", tmp_path / "blobs.zip", "--publisher", "Site A")
    done = run("models", "pack", "blobs", *to, *TOLD, **home)
    assert done.returncode == 0, done.stderr
    assert "signed by" in done.stdout
    again = run("models", "pack", "blobs", *to, *TOLD, **home)
    assert "is there already" in again.stderr
    assert run("models", "key", tmp_path / "a.pem", **home).returncode == 0
    return tmp_path / "blobs.zip"


def test_a_package_comes_in_once_its_publisher_is_trusted(
    run: Run, packed: Path, tmp_path: Path
) -> None:
    refused = run("models", "install", packed)
    assert refused.returncode == 1
    assert "no publisher called 'Site A' is trusted here" in refused.stderr
    assert "sightline models trust PUBLISHER KEYFILE" in refused.stderr
    assert run("models", "trust", "Site A", tmp_path / "a.pem").returncode == 0
    assert run("models", "publishers").stdout.startswith("Site A\t")
    content = bytearray(packed.read_bytes())
    at = content.index(b"Never on people")
    content[at : at + 5] = b"Tried"
    (tmp_path / "altered.zip").write_bytes(content)
    refused = run("models", "install", tmp_path / "altered.zip")
    assert refused.returncode == 1
    assert "is broken" in refused.stderr  # the zip's own checksum
    done = run("models", "install", packed)
    assert done.returncode == 0, done.stderr
    assert "blobs@1 is a candidate, of Site A" in done.stdout
    assert "Intended use: Blobs on phantoms" in done.stdout
    assert "Limits: Never on people" in done.stdout
    assert "research use only" in done.stdout
    assert run("models", "install", packed).stdout == "blobs@1 is this package already\n"
    shown = json.loads(run("models", "show", "blobs").stdout)
    assert (shown["state"], shown["package"]["signed"]) == ("candidate", True)
    assert shown["package"]["limits"] == "Never on people"
    assert "package blobs 1" in run("trace", "blobs@1").stdout
    assert run("models", "distrust", "Site A").returncode == 0


def test_a_bare_package_needs_a_word_more(run: Run, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    path = write(tmp_path / "b.zip", {"weights.safetensors": tiny_weights()}, key=Key(2))
    assert PUBLISHER in run("models", "install", path).stderr
    with zipfile.ZipFile(path) as archive:
        archive.extractall(bare)
    (bare / "signature.json").unlink()
    assert "--allow-unsigned" in run("models", "install", bare).stderr
    done = run("models", "install", bare, "--allow-unsigned")
    assert "Signed by nobody" in done.stdout
    assert json.loads(run("models", "show", "blobs").stdout)["package"]["signed"] is False


def test_no_key_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("no key")
    assert "no public key of Ed25519" in run("models", "trust", "A", tmp_path / "a.pem").stderr
    assert "cannot be read" in run("models", "trust", "A", tmp_path / "none.pem").stderr

"""A receiving host without the `learn` extra receives, serves pages, and says what is missing."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEARNING = ("torch", "SimpleITK", "safetensors", "dynamic_network_architectures", "monai")


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel without extras into an environment of its own."""
    wheels = sorted((ROOT / "dist").glob("sightline-*.whl"))
    if not wheels:
        pytest.skip("no wheel in dist/; `make test` builds one")
    folder = tmp_path_factory.mktemp("lean")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheels[-1])], check=True)
    return folder / "bin"


@pytest.mark.slow
def test_no_learning_library_came_with_it(lean: Path) -> None:
    found = subprocess.run(
        [str(lean / "pip"), "list", "--format=freeze"], capture_output=True, text=True, check=True
    ).stdout.lower()
    assert "sightline==" in found
    assert not [name for name in LEARNING if f"\n{name.lower()}==" in found]


@pytest.mark.slow
def test_it_receives_and_serves_pages(lean: Path, tmp_path: Path) -> None:
    command = [str(lean / "sightline"), "--data-dir", str(tmp_path / "data")]
    ports = ("--web-port", "18542", "--dimse-port", "18543")
    study = tmp_path / "study"
    made = ("phantoms", "chest", str(study), "--patients", "1", "--site", "a")
    subprocess.run([*command, *made], check=True, capture_output=True)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*command, "up", *ports], stdout=log, stderr=log)
    try:
        _wait_for("http://127.0.0.1:18542/api/health")
        sent = ("send", "SIGHTLINE@127.0.0.1:18543", str(study / "dicom"))
        subprocess.run([*command, *sent], check=True, capture_output=True)
        subprocess.run([*command, "wait", "--timeout", "120"], check=True, capture_output=True)
        page = _wait_for("http://127.0.0.1:18542/")
        assert "Research use only" in page
        assert "Nothing has arrived" not in page
    finally:
        server.terminate()
        server.wait(timeout=40)


@pytest.mark.slow
def test_training_names_the_extra_to_install(lean: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(lean / "sightline"), "--data-dir", str(tmp_path), "train", "hippocampus", "--on", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'sightline[learn]'" in done.stderr


def _wait_for(url: str) -> str:
    deadline = time.monotonic() + 40
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                page: str = answer.read().decode()
                return page
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)

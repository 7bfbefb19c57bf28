"""Weights made anew by their own frameworks, in environments of their own, at the size of a gate.

What is stored in tests/data/weights was made so once; this makes other kinds, too.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.networks.others.comparing import assert_alike, compare
from tests.networks.others.phantoms import SHAPE

pytestmark = pytest.mark.gate

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "others"
WINDOW = (16, 32, 16)


def made(peer: str, script: str, *arguments: object) -> None:
    """Run a script by the Python of a peer."""
    python = ROOT / ".peers" / peer / "bin" / "python"
    if not (ROOT / ".peers" / peer / "installed").exists():
        pytest.skip(f"{peer} is not installed: make .peers/{peer}/installed")
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    environment.pop("PYTHONPATH", None)
    subprocess.run(
        [str(python), str(SCRIPTS / script), *map(str, arguments)], env=environment, check=True
    )


@pytest.mark.parametrize(
    ("configuration", "planner", "channel"),
    [
        ("3d_fullres", "ExperimentPlanner", "CT"),
        ("3d_fullres", "ExperimentPlanner", "MRI"),
        ("3d_fullres", "nnUNetPlannerResEncM", "CT"),
        ("2d", "ExperimentPlanner", "MRI"),
    ],
)
def test_nnunet_predicts_here_as_at_home(
    tmp_path: Path, configuration: str, planner: str, channel: str
) -> None:
    arguments = ("--configuration", configuration, "--planner", planner, "--channel", channel)
    made("nnunetv2", "nnunet_run.py", tmp_path / "run", *arguments)
    assert_alike(compare(tmp_path / "run", SHAPE))


@pytest.mark.parametrize("network", ["DynUNet", "SegResNet"])
def test_monai_predicts_here_as_at_home(tmp_path: Path, network: str) -> None:
    folder = tmp_path / "bundle"
    made("monai", "monai_bundle.py", folder, "--network", network, "--script")
    assert_alike(compare(folder, WINDOW, own_axes=True))
    (folder / "models" / "model.pt").unlink()  # what is left is TorchScript
    assert_alike(compare(folder, WINDOW, own_axes=True))

"""The independent checker of DICOM objects: dciodvfy of dicom3tools."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def dicom_errors(content: bytes) -> list[str]:
    """Return what dciodvfy calls an error in a Part 10 file; skip where it is not installed."""
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not installed")
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        Path(file.name).write_bytes(content)
        done = subprocess.run(
            [checker, "-new", file.name], capture_output=True, text=True, check=False
        )
    lines = (done.stdout + done.stderr).splitlines()
    assert lines, "dciodvfy said nothing"
    return [line for line in lines if line.startswith("Error")]

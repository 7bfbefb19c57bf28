"""The independent checker of DICOM objects: dciodvfy of dicom3tools."""

import dataclasses
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What dciodvfy says of a file.

    Attributes:
        iod: what it takes the object for; empty where it knows no such object, or did not finish.
        errors: its lines that are errors.
    """

    iod: str
    errors: tuple[str, ...]


def checked(content: bytes) -> Checked:
    """Check a Part 10 file; skip where dciodvfy is not installed."""
    checker = shutil.which("dciodvfy")
    if checker is None:
        pytest.skip("dciodvfy (Debian dicom3tools) is not installed")
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        Path(file.name).write_bytes(content)
        done = subprocess.run([checker, "-new", file.name], capture_output=True, check=False)
    # It quotes values in whatever character set they are.
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    assert lines, "dciodvfy said nothing"
    names = [line for line in lines if line.isidentifier()]
    errors = tuple(line for line in lines if line.startswith("Error"))
    return Checked(iod=names[0] if names and done.returncode >= 0 else "", errors=errors)


def dicom_errors(content: bytes) -> list[str]:
    """Return what dciodvfy calls an error in a Part 10 file; skip where it is not installed."""
    return list(checked(content).errors)

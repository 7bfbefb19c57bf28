"""The independent checker of DICOM objects: dciodvfy of dicom3tools."""

import dataclasses
import io
import shutil
import subprocess
import tempfile
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian


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
    content = inflated(content)
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        Path(file.name).write_bytes(content)
        done = subprocess.run([checker, "-new", file.name], capture_output=True, check=False)
    # It quotes values in whatever character set they are.
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    assert lines, "dciodvfy said nothing"
    names = [line for line in lines if line.isidentifier()]
    errors = tuple(line for line in lines if line.startswith("Error"))
    return Checked(iod=names[0] if names and done.returncode >= 0 else "", errors=errors)


def inflated(content: bytes) -> bytes:
    """Return a deflated file as one that is not, for dciodvfy reads none; others as they are."""
    if DeflatedExplicitVRLittleEndian.encode() not in content[:1024]:
        return content
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = io.BytesIO()
    dataset.save_as(written)
    return written.getvalue()


def dicom_errors(content: bytes) -> list[str]:
    """Return what dciodvfy calls an error in a Part 10 file; skip where it is not installed."""
    return list(checked(content).errors)

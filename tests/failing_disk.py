"""A library that makes a program's disk fail, to be preloaded."""

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it; `faults.c` says how it is told what to refuse."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the shim that makes disks fail cannot be built")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library

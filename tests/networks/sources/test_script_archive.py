"""The tensors of a TorchScript archive are read; the program that it is does not run."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from sightline.errors import BadFile
from sightline.networks.sources.script_archive import read_script

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


@pytest.fixture
def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Sequential(nn.Linear(4, 2)))


def scripted(module: nn.Module, path: Path) -> Path:
    torch.jit.script(module).save(str(path))
    return path


def with_pickle(archive: Path, path: Path, content: bytes) -> Path:
    """Copy an archive with another list of tensors."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith("/data.pkl") else old.read(name))
    return path


def test_every_tensor_comes_by_its_name(module: nn.Module, tmp_path: Path) -> None:
    found = read_script(scripted(module, tmp_path / "m.ts"))
    state = module.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(torch.from_numpy(found[name]), state[name]) for name in state)


def test_views_and_half_precision_come_whole(tmp_path: Path) -> None:
    module = nn.Linear(3, 2).half()
    module.weight = nn.Parameter(torch.arange(12.0).half().reshape(3, 4).T[1:3])
    found = read_script(scripted(module, tmp_path / "m.ts"))
    assert torch.equal(torch.from_numpy(found["weight"]), module.weight.detach().float())


class Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.trace}",)


def test_a_hostile_list_of_tensors_is_refused_and_runs_nothing(
    module: nn.Module, tmp_path: Path
) -> None:
    trace, path = tmp_path / "trace", tmp_path / "hostile.ts"
    with_pickle(scripted(module, tmp_path / "m.ts"), path, pickle.dumps(Hostile(trace)))
    with pytest.raises(BadFile, match=r"it names posix\.system, which is not data"):
        read_script(path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_broken_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.ts").write_bytes(content)
    with pytest.raises(BadFile, match="no TorchScript archive"):
        read_script(tmp_path / "m.ts")


def test_a_tensor_beyond_its_storage_is_refused(module: nn.Module, tmp_path: Path) -> None:
    archive = scripted(module, tmp_path / "m.ts")
    with zipfile.ZipFile(archive) as file:
        (name,) = [name for name in file.namelist() if name.endswith("/data.pkl")]
        listed = file.read(name)
    # The first axis of the convolution: K is the opcode of a small integer.
    larger = listed.replace(b"(K\x04K\x01K\x03K\x03K\x03", b"(K\xffK\x01K\x03K\x03K\x03", 1)
    assert larger != listed
    with pytest.raises(BadFile, match="no TorchScript archive"):
        read_script(with_pickle(archive, tmp_path / "larger.ts", larger))

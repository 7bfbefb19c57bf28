"""A pickle is opened where it can harm nothing, and what is no data is refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.errors import BadFile
from sightline.networks.sources.pickles import read_pickle, tensors_in


class Hostile:
    """Unpickled as ever, it would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.trace}",)


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def test_tensors_numbers_and_texts_come_as_they_are(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(4),
        "c": torch.ones(2).half(),
    }
    content = {
        "weights": tensors,
        "epoch": 3,
        "name": "t",
        "curve": [np.float64(0.5), np.float32(2)],
    }
    found = read_pickle(saved(tmp_path / "c.pth", content))
    assert (found["epoch"], found["name"], found["curve"]) == (3, "t", [0.5, 2.0])
    state = tensors_in(found["weights"], of="c.pth")
    assert torch.equal(state["a"], tensors["a"])
    assert state["b"].item() == 4
    assert state["b"].dtype == torch.int64
    assert state["c"].dtype == torch.float32


def test_only_what_is_wanted_comes(tmp_path: Path) -> None:
    content = {"weights": {"a": torch.ones(1)}, "optimizer": {"b": torch.ones(1)}}
    assert read_pickle(saved(tmp_path / "c.pth", content), ("weights",)).keys() == {"weights"}


@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path: Path, is_legacy: bool) -> None:
    trace, path = tmp_path / "trace", tmp_path / "c.pth"
    content = {"network_weights": {"a": torch.ones(1)}, "trap": Hostile(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=not is_legacy)
    with pytest.raises(BadFile, match=r"c\.pth is refused: it names posix\.system"):
        read_pickle(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)  # what the refusal spared us
    assert trace.exists()


def test_a_bare_hostile_pickle_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "c.pth"
    path.write_bytes(pickle.dumps(Hostile(trace)))
    with pytest.raises(BadFile):
        read_pickle(path)
    assert not trace.exists()


def test_a_tensor_that_claims_more_than_there_is_memory_is_refused(tmp_path: Path) -> None:
    content = {"weights": torch.zeros(1).expand(10**12)}
    with pytest.raises(BadFile):
        read_pickle(saved(tmp_path / "c.pth", content))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint at all" * 50])
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.pth").write_bytes(content)
    with pytest.raises(BadFile):
        read_pickle(tmp_path / "c.pth")


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="holds no dict"):
        read_pickle(saved(tmp_path / "c.pth", [torch.ones(1)]))


@pytest.mark.parametrize("state", [None, {}, {"a": 1}, 7])
def test_a_state_without_tensors_is_refused(state: object) -> None:
    with pytest.raises(BadFile, match=r"c\.pth holds no"):
        tensors_in(state, of="c.pth")

"""What the library of the format writes is taken, and what is wrong with it is found."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load, save

from sightline.errors import BadFile
from sightline.formats.tensor_file import check_tensor_file

KINDS = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8)
SOUND = save(
    {f"t{n}": torch.ones(n, 2, dtype=kind) for n, kind in enumerate(KINDS)},
    metadata={"sightline": "{}"},
)


def test_every_type_is_taken(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(SOUND)
    assert check_tensor_file(tmp_path / "w") == len(KINDS)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(SOUND) - 1), value=st.integers(0, 255))
def test_what_is_taken_the_library_reads(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    content = bytearray(SOUND)
    content[at] = value
    path = tmp_path_factory.getbasetemp() / "mutant"
    path.write_bytes(content)
    try:
        check_tensor_file(path)
    except BadFile:
        return
    try:
        tensors = load(bytes(content))
    except SafetensorError:
        pytest.fail(f"byte {at} as {value} is taken, and the library refuses it")
    for each in tensors.values():
        assert not each.is_floating_point() or each.isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [each for each in KINDS if each.is_floating_point])
def test_numbers_that_are_none_are_found_wherever_they_are(
    tmp_path: Path, value: float, kind: torch.dtype
) -> None:
    tensor = torch.zeros(3 * 2**20 + 5, dtype=kind)
    tensor[-1] = value
    (tmp_path / "w").write_bytes(save({"a": tensor}))
    with pytest.raises(BadFile, match="infinite or none"):
        check_tensor_file(tmp_path / "w")

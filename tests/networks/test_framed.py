"""How weights and images lie in memory, and what that must not do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from sightline.networks.framed import lay_out

CHECKER = "libc_malloc_debug.so.0"
BACKWARD = """
import torch
from torch import nn
from sightline.networks.framed import lay_out
torch.set_num_threads(2)
convolution = nn.Conv2d(8, 16, 1, stride=2, bias=False)
lay_out(convolution)
for _ in range(100):
    image = torch.randn(4, 8, 48, 48).contiguous(memory_format=torch.channels_last)
    convolution(image).square().sum().backward()
print("lived")
"""


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Conv3d])
def test_a_strided_convolution_of_single_voxels_is_the_same_sum(kind: type[nn.Module]) -> None:
    axes = 2 if kind is nn.Conv2d else 3
    convolution = kind(4, 6, 1, stride=(3, 2, 2)[-axes:]).double()
    image = torch.randn(2, 4, *(7, 9, 10)[-axes:], dtype=torch.float64)
    parts = [image, convolution.weight, convolution.bias]
    plain = getattr(functional, f"conv{axes}d")(*parts, stride=(3, 2, 2)[-axes:])
    gradient = torch.randn_like(plain)
    wanted = torch.autograd.grad(plain, convolution.weight, gradient)[0]
    lay_out(convolution)
    lay_out(convolution)
    answer = convolution(image)
    assert torch.allclose(answer, plain)
    assert torch.allclose(torch.autograd.grad(answer, convolution.weight, gradient)[0], wanted)


@pytest.mark.skipif(
    not any(Path("/").glob(f"lib*/*/{CHECKER}")), reason=f"needs {CHECKER} of the C library"
)
def test_no_gradient_is_written_beyond_its_memory() -> None:
    # The checker fills fresh memory, and ends the process where the end of a piece is damaged.
    checked = {"LD_PRELOAD": CHECKER, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "85"}
    done = subprocess.run(
        [sys.executable, "-c", BACKWARD], env=os.environ | checked, capture_output=True, check=False
    )
    assert done.stdout.decode().strip() == "lived", done.stderr.decode()[-2000:]

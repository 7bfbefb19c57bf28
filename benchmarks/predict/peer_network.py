"""The network of both peers, with the weights of the work; runs in their environments."""

import time
from pathlib import Path

import torch
from torch import nn


def load(network: nn.Module, folder: Path) -> dict:
    """Give a network the weights of the work; return what it will have spent, kept up to date."""
    weights = torch.load(folder / "network.pt", weights_only=True)
    state = {name.removeprefix("net."): value for name, value in weights.items()}
    missing, _ = network.load_state_dict(state, strict=False)
    # Both halves of it name the encoder's tensors, and a convolution's layers name each twice.
    known = network.state_dict(keep_vars=True)
    given = {id(known[name]) for name in known if name in state}
    if not all(id(known[name]) in given for name in missing):
        raise AssertionError(missing)
    spent = {"seconds": 0.0, "windows": 0}
    forward = network.eval().forward

    def timed(image: torch.Tensor) -> torch.Tensor:
        began = time.perf_counter()
        logits = forward(image)
        spent["seconds"] += time.perf_counter() - began
        spent["windows"] += len(image)
        return logits

    network.forward = timed
    return spent

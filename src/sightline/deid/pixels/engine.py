"""The two networks of PP-OCRv6 (small): where text may lie, and what a line of it says.

Their files come with the package `rapidocr`; only its files are used. They run on one thread, in a
limited child, where they stay from one call to the next.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from sightline.deid.pixels.pictures import Picture
from sightline.errors import MissingExtra

Heat = npt.NDArray[np.float32]
"""(rows, columns), how likely each pixel lies in a line of text, from 0 to 1."""

_STEP = 32
_TILE, _OVERLAP = 1536, 192
_LINE_ROWS, _FEWEST_COLUMNS = 48, 48

cv2.setNumThreads(1)


def heat_of(picture: Picture) -> Heat:
    """Look for text at the size at which it was drawn; large pictures in tiles that overlap."""
    rows, columns = picture.shape[:2]
    if max(rows, columns) <= _TILE:
        return _heat_of_tile(picture)
    heat = np.zeros((rows, columns), np.float32)
    for top in _starts(rows):
        for left in _starts(columns):
            tile = np.s_[top : top + _TILE, left : left + _TILE]
            heat[tile] = np.maximum(heat[tile], _heat_of_tile(picture[tile]))
    return heat


def read_line(strip: Picture) -> tuple[str, float]:
    """Read one line of upright text.

    Args:
        strip: 48 rows high.

    Returns:
        Its text, and how sure the network is of it on average, from 0 to 1.
    """
    columns = strip.shape[1]
    if columns < _FEWEST_COLUMNS:
        strip = np.pad(strip, ((0, 0), (0, _FEWEST_COLUMNS - columns), (0, 0)), mode="edge")
    chances = _run(_reader(), strip)[0]
    best = chances.argmax(axis=1)
    starts = (best > 0) & (best != np.concatenate(([0], best[:-1])))
    if not starts.any():
        return "", 0.0
    text = "".join(_characters()[index] for index in best[starts])
    return text, float(chances.max(axis=1)[starts].mean())


def _heat_of_tile(tile: Picture) -> Heat:
    rows, columns = tile.shape[:2]
    size = tuple(max(round(side / _STEP), 1) * _STEP for side in (columns, rows))
    fitted = np.asarray(cv2.resize(tile, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    heat = _run(_detector(), fitted)[0, 0]
    fitted_back = cv2.resize(heat, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(fitted_back, np.float32)


def _starts(side: int) -> range | list[int]:
    if side <= _TILE:
        return [0]
    return [*range(0, side - _TILE, _TILE - _OVERLAP), side - _TILE]


def _run(session: onnxruntime.InferenceSession, picture: Picture) -> npt.NDArray[np.float32]:
    # Blue before red, from -1 to 1, as both networks were trained.
    values = picture[:, :, ::-1].astype(np.float32) / 127.5 - 1
    planes = np.ascontiguousarray(values.transpose(2, 0, 1)[None])
    (answer,) = session.run(None, {session.get_inputs()[0].name: planes})
    return np.asarray(answer, np.float32)


@functools.cache
def _detector() -> onnxruntime.InferenceSession:
    return _session("PP-OCRv6_det_small.onnx")


@functools.cache
def _reader() -> onnxruntime.InferenceSession:
    return _session("PP-OCRv6_rec_small.onnx")


@functools.cache
def _characters() -> tuple[str, ...]:
    listed: str = _reader().get_modelmeta().custom_metadata_map["character"]
    return ("", *listed.split("\n"), " ")


def _session(name: str) -> onnxruntime.InferenceSession:
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # On dark pictures half of the time goes into numbers below 1e-38, which nothing rests on.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # What it keeps for the next picture would count against the limits of that one.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(
        str(_models() / name), options, providers=["CPUExecutionProvider"]
    )


def _models() -> Path:
    found = importlib.util.find_spec("rapidocr")
    if found is None or found.origin is None:
        raise MissingExtra(
            "the models of rapidocr are not installed",
            hint="Run: pip install 'sightline[pixels]'",
        )
    return Path(found.origin).parent / "models"

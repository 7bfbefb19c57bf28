"""Balls in a pattern, as images that every framework learns in seconds. No anatomy.

Nothing is drawn from a generator: whoever makes them again has the same integers.
"""

import numpy as np

SHAPE = (24, 32, 28)
"""Of what is learned from, z, y, x."""
LARGER = (32, 48, 40)
"""More than a network sees at once."""
SPACING_MM = (1.0, 1.0, 1.5)  # x, y, z
CLASSES = ("bright", "brighter")


def pattern(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return integers from -128 to 128 that look like noise."""
    index = np.arange(np.prod(shape), dtype=np.int64) + 1000 * seed
    return ((index * index * 7919 + index * 104729) % 257 - 128).reshape(shape)


def blobs(seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Make an image with one ball of each class, and its mask; axes z, y, x."""
    image = pattern(shape, seed) - 200
    mask = np.zeros(shape, np.uint8)
    places = np.indices(shape).transpose(1, 2, 3, 0)
    for number in (1, 2):
        centre = [7 + (seed * 31 + axis * 17 + number * 5) % (shape[axis] - 14) for axis in (0, 1)]
        centre.append(6 + seed % 4 + (number - 1) * 12)
        ball = ((places - centre) ** 2).sum(-1) < 30
        image[ball] += 250 * number
        mask[ball] = number
    return image.astype(np.int16), mask

"""Work whose module takes more address space than tight limits leave."""

import numpy as np

_TABLE = np.zeros(768 * 1024**2, np.uint8)  # zeros that nobody writes take no memory


def size() -> int:
    return _TABLE.size

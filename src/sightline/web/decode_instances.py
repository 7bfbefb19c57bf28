"""The child that decompresses: Part 10 files in on stdin, the same in explicit little endian out.

Each file is preceded by its length in eight bytes, and each answer by its own; a length of 0
says that the file cannot be decoded.
"""

import io
import resource
import struct
import sys

import pydicom
from pydicom.uid import ExplicitVRLittleEndian

_MEMORY_BYTES = 3 * 1024**3
_CPU_S = 20
_LENGTH = struct.Struct(">Q")


def main() -> None:
    """Answer each file in turn, within limits of memory and time."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    source, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(_LENGTH.size):
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit_s = int(used.ru_utime + used.ru_stime) + _CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, -1))
        decoded = decode(source.read(_LENGTH.unpack(head)[0]))
        answers.write(_LENGTH.pack(len(decoded)) + decoded)
        answers.flush()


def decode(content: bytes) -> bytes:
    """Return a file in explicit little endian; empty where it cannot be decoded."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        with io.BytesIO() as file:
            pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True)
            return file.getvalue()
    except Exception:  # noqa: BLE001 - whatever a decoder does not like; the parent is told
        return b""


if __name__ == "__main__":
    main()

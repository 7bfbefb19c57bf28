"""Compiled reading of boxes: chunks are decoded straight into where they are wanted.

The bytes are those of `store/arrays.py`: shards of inner chunks of 32^3, each a Blosc 1 frame of
LZ4 with its CRC-32C, listed by an index at the end of the shard. Everything here runs without
Python's lock, so that threads read side by side. Needs numba, the LZ4 library that the `lz4`
package carries, and a processor that computes CRC-32C itself (every x86-64 and 64-bit ARM of the
last fifteen years).

Formats: github.com/Blosc/c-blosc README_CHUNK_FORMAT.rst; zarr-specs v3 sharding-indexed.
"""

import importlib.util
import os
import platform
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

EDGE = 32
VOXELS = EDGE**3
SOUND, CUT_SHORT, DAMAGED, NOT_OPENED = 0, 1, 2, 3

# Copies go 16 bytes at a time, so a buffer is that much longer than what it holds.
_SLACK = 64
_ENTRY = 16
_BLOSC_HEADER = 16
_LZ4 = 1

_CRC = {
    "x86_64": ("llvm.x86.sse42.crc32.64.64", 64, "llvm.x86.sse42.crc32.32.8", 8),
    "amd64": ("llvm.x86.sse42.crc32.64.64", 64, "llvm.x86.sse42.crc32.32.8", 8),
    "aarch64": ("llvm.aarch64.crc32cx", 32, "llvm.aarch64.crc32cb", 32),
    "arm64": ("llvm.aarch64.crc32cx", 32, "llvm.aarch64.crc32cb", 32),
}[platform.machine().lower()]

_pread = types.ExternalFunction(
    "pread", types.int64(types.int32, types.voidptr, types.uint64, types.int64)
)
# Opened here and not in Python, whose lock would be taken and given back for every call.
_open = types.ExternalFunction("open", types.int32(types.voidptr, types.int32))
_seek = types.ExternalFunction("lseek", types.int64(types.int32, types.int64, types.int32))
_close = types.ExternalFunction("close", types.int32(types.int32))
_READ_ONLY = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
# The package carries the library within its own extension.
_LIBRARY = importlib.util.find_spec("lz4.block._block")
if _LIBRARY is None or _LIBRARY.origin is None:
    raise ImportError("the lz4 package has no compiled part")
binding.load_library_permanently(_LIBRARY.origin)
_decompress = types.ExternalFunction(
    "LZ4_decompress_safe", types.int32(types.voidptr, types.voidptr, types.int32, types.int32)
)
_decompress_part = types.ExternalFunction(
    "LZ4_decompress_safe_partial",
    types.int32(types.voidptr, types.voidptr, types.int32, types.int32, types.int32),
)
# Systems without it have no such constant either.
_WILL_NEED = getattr(os, "POSIX_FADV_WILLNEED", 0)
_advise = types.ExternalFunction(
    "posix_fadvise", types.int32(types.int32, types.int64, types.int64, types.int32)
)


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    return builder.gep(make_array(kind)(context, builder, array).data, [index])


@intrinsic
def _copy_16(_context: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
    """Copy 16 bytes between arrays of bytes, aligned or not."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(ir.IntType(8), 16).as_pointer()
        read = _address(context, builder, signature.args[2], arguments[2], arguments[3])
        write = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        value = builder.load(builder.bitcast(read, wide), align=1)
        builder.store(value, builder.bitcast(write, wide), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


@intrinsic
def _scale_16(
    _context: Any,
    target: Any,
    at: Any,
    source: Any,
    start: Any,
    low: Any,
    high: Any,
    centre: Any,
    width: Any,
) -> Any:
    """Clip and scale 16 int16 voxels to float32: compilers do so only for longer rows."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.VectorType(ir.IntType(16), 16)
        real = ir.VectorType(ir.FloatType(), 16)
        read = _address(context, builder, signature.args[2], arguments[2], arguments[3])
        write = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        value = builder.load(builder.bitcast(read, whole.as_pointer()), align=1)
        value = builder.sitofp(value, real)
        least, most, middle, divisor = (_filled(builder, real, each) for each in arguments[4:])
        value = builder.select(builder.fcmp_ordered("<", value, least), least, value)
        value = builder.select(builder.fcmp_ordered(">", value, most), most, value)
        value = builder.fdiv(builder.fsub(value, middle), divisor)
        builder.store(value, builder.bitcast(write, real.as_pointer()), align=1)
        return context.get_dummy_value()

    number = types.float32
    return types.void(
        target, types.int64, source, types.int64, number, number, number, number
    ), generate


@intrinsic
def _fence(_context: Any) -> Any:
    """Keep what is read and written before apart from what is after, for other processors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


def _filled(builder: Any, kind: Any, value: Any) -> Any:
    """Return a vector of 16 times the same value."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    same = ir.Constant(ir.VectorType(ir.IntType(32), 16), [0] * 16)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), same)


@intrinsic
def _pointer(_context: Any, array: Any, at: Any) -> Any:
    """Return the address of a byte of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.bitcast(where, ir.IntType(8).as_pointer())

    return types.voidptr(array, types.int64), generate


def _crc_step(name: str, accumulator: int, width: int, read: int) -> Any:
    """Make a step of CRC-32C: one instruction of the processor over `read` bits."""

    @intrinsic
    def step(_context: Any, crc: Any, array: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            state, operand = ir.IntType(accumulator), ir.IntType(width)
            where = _address(context, builder, signature.args[1], arguments[1], arguments[2])
            raw = builder.load(builder.bitcast(where, ir.IntType(read).as_pointer()), align=1)
            word = raw if width == read else builder.zext(raw, operand)
            before = arguments[0]
            if accumulator < 64:
                before = builder.trunc(before, state)
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(state, [state, operand]), name
            )
            after = builder.call(function, [before, word])
            return after if accumulator == 64 else builder.zext(after, ir.IntType(64))

        return types.uint64(types.uint64, array, types.int64), generate

    return step


_crc_8_bytes = _crc_step(_CRC[0], _CRC[1], 64, 64)
_crc_byte = _crc_step(_CRC[2], 32, _CRC[3], 8)


@njit(nogil=True, cache=True)
def crc32c(content, start, stop):
    """Return the CRC-32C of a part of an array of bytes (RFC 3720, B.4)."""
    crc = np.uint64(0xFFFFFFFF)
    at = start
    while at + 8 <= stop:
        crc = _crc_8_bytes(crc, content, at)
        at += 8
    while at < stop:
        crc = _crc_byte(crc, content, at)
        at += 1
    return np.int64(crc & np.uint64(0xFFFFFFFF)) ^ 0xFFFFFFFF


@njit(nogil=True, cache=True)
def _little_endian(content, at, count):
    value = np.int64(0)
    for place in range(count):
        value |= np.int64(content[at + place]) << (8 * place)
    return value


@njit(nogil=True, cache=True)
def _lz4(source, start, stop, target, at, count, limit):
    """Decode at least the first `count` bytes of an LZ4 block, of all that fill `target[at:limit]`.

    Tells success.
    """
    size, wanted, room = np.int32(stop - start), np.int32(count), np.int32(limit - at)
    # What repeats itself the library decodes ten times faster whole than in part.
    if wanted == room or size * 4 < room:
        return _decompress(_pointer(source, start), _pointer(target, at), size, room) == room
    done = _decompress_part(_pointer(source, start), _pointer(target, at), size, wanted, room)
    return done == wanted


@njit(nogil=True, cache=True)
def _blosc(source, size, width, planes, chunk, wanted, is_shared):
    """Decode the first `wanted` voxels of a chunk; tell whether its frame is one that we write.

    Nothing but its voxels is ever written into a chunk that is shared: others may read already
    what somebody has decoded into the same place.
    """
    if size < _BLOSC_HEADER or np.int64(source[3]) != width:
        return False
    flags = np.int64(source[2])
    total, block = _little_endian(source, 4, 4), _little_endian(source, 8, 4)
    if total != VOXELS * width or block <= 0 or block % width or flags & 4:
        return False
    if flags & 2:  # what does not compress is stored as it is
        if size < _BLOSC_HEADER + total:
            return False
        _copy_exactly(chunk, 0, source, _BLOSC_HEADER, total)
        return True
    if flags >> 5 != _LZ4:
        return False
    is_shuffled = flags & 1 != 0 and width > 1
    for number in range((total + block - 1) // block):
        first, length = number * block, min(block, total - number * block)
        if first >= wanted * width:
            break
        table = _BLOSC_HEADER + 4 * number
        if table + 4 > size:
            return False
        at = _little_endian(source, table, 4)
        is_split = flags & 16 == 0 and length == block and block // width >= 128
        parts = width if is_split else 1
        what = (first, length, width, parts, is_shuffled)
        if not _block(source, size, at, what, planes, chunk, wanted, is_shared):
            return False
    return True


@njit(nogil=True, cache=True)
def _block(source, size, at, what, planes, chunk, wanted, is_shared):
    """Decode the block of a frame that begins at `at` to its place in a chunk; tell success."""
    first, length, width, parts, is_shuffled = what
    part = length // parts
    # Shuffled bytes are decoded aside and then joined. Others go where they belong at once, but
    # LZ4 writes beyond where it is.
    is_aside = is_shuffled or is_shared
    out, into = (planes, np.int64(0)) if is_aside else (chunk, first)
    low, high = planes[: length // 2], planes[length // 2 : length]
    # Of each part only what the wanted voxels need; a block of a chunk that is cut short at the
    # end of the array is mostly what nobody asks for.
    count = part
    if is_shuffled == (parts > 1):
        count = min(part, wanted - first // width if is_shuffled else wanted * width - first)
    for index in range(parts):
        if at < 0 or at + 4 > size:
            return False
        stored = _little_endian(source, at, 4)
        at += 4
        if stored < 0 or at + stored > size:
            return False
        begin, end = into + index * part, into + (index + 1) * part
        if stored == part and is_shuffled and parts == 2:
            # Joined from where it lies.
            low = source[at : at + part] if index == 0 else low
            high = source[at : at + part] if index == 1 else high
        elif stored == part:
            _copy_exactly(out, begin, source, at, count)
        elif not _lz4(source, at, at + stored, out, begin, count, end):
            return False
        at += stored
    if is_shuffled:
        _join(low, high, chunk, first, min(length // 2, wanted - first // 2))
    elif is_aside:
        _copy_exactly(chunk, first, planes, 0, length)
    return True


@njit(nogil=True, cache=True)
def _join(low, high, chunk, first, wanted):
    """Undo the shuffle of two-byte voxels, of which low and high bytes lie apart."""
    pairs = chunk[first : first + 2 * low.size].view(np.uint16)
    for index in range(wanted):
        pairs[index] = np.uint16(low[index]) | np.uint16(high[index]) << np.uint16(8)


@njit(nogil=True, cache=True)
def _place(chunk, width, is_signed, begin, box, target, first, strides, scale):
    """Bring the part of a chunk that lies in the box to its place."""
    # Plain numbers: a row of 32 voxels takes less than looking its bounds up in arrays.
    slab_0, line_0 = max(box[0, 0] - begin[0], 0), max(box[0, 1] - begin[1], 0)
    voxel_0 = max(box[0, 2] - begin[2], 0)
    slab_1, line_1 = min(box[1, 0] - begin[0], EDGE), min(box[1, 1] - begin[1], EDGE)
    count = min(box[1, 2] - begin[2], EDGE) - voxel_0
    step_0, step_1, step = strides[0], strides[1], strides[2]
    start = (
        first
        + (begin[0] - box[0, 0]) * step_0
        + (begin[1] - box[0, 1]) * step_1
        + (begin[2] + voxel_0 - box[0, 2]) * step
    )
    pairs = chunk[: chunk.size // 2 * 2].view(np.uint16)
    out_pairs = target[: target.size // 2 * 2].view(np.uint16)
    out_floats = target[: target.size // 4 * 4].view(np.float32)
    low, high = np.float32(scale[0]), np.float32(scale[1])
    centre, deviation = np.float32(scale[2]), np.float32(scale[3])
    is_scaled, is_row = deviation != 0, step == 1 and count >= 16
    row_bytes = count * width
    for slab in range(slab_0, slab_1):
        for line in range(line_0, line_1):
            source = (slab * EDGE + line) * EDGE + voxel_0
            at = start + slab * step_0 + line * step_1
            if is_scaled and is_row and width == 2 and is_signed:
                # What nearly all images are. The last 16 may have been written in part: the same
                # again does no harm.
                _scale_16(out_floats, at, pairs, source, low, high, centre, deviation)
                if count > 16:
                    end = count - 16
                    _scale_16(
                        out_floats, at + end, pairs, source + end, low, high, centre, deviation
                    )
            elif is_scaled:
                for index in range(count):
                    value = _as_float(chunk, pairs, source + index, width, is_signed)
                    value = low if value < low else value
                    value = high if value > high else value
                    out_floats[at + index * step] = (value - centre) / deviation
            elif is_row:
                _copy_row(target, at * width, chunk, source * width, row_bytes)
            elif step == 1:
                _copy_exactly(target, at * width, chunk, source * width, row_bytes)
            elif width == 2:
                for index in range(count):
                    out_pairs[at + index * step] = pairs[source + index]
            else:
                for index in range(count):
                    target[at + index * step] = chunk[source + index]


@njit(nogil=True, cache=True)
def _copy_row(target, at, source, start, length):
    """Copy 16 to 64 bytes, the last 16 of them perhaps twice."""
    _copy_16(target, at, source, start)
    if length > 32:
        _copy_16(target, at + 16, source, start + 16)
    if length > 48:
        _copy_16(target, at + 32, source, start + 32)
    _copy_16(target, at + length - 16, source, start + length - 16)


@njit(nogil=True, cache=True)
def _as_float(chunk, pairs, at, width, is_signed):
    if width == 2 and is_signed:
        return np.float32(np.int16(pairs[at]))
    if width == 2:
        return np.float32(pairs[at])
    if is_signed:
        return np.float32(np.int8(chunk[at]))
    return np.float32(chunk[at])


@njit(nogil=True, cache=True)
def _copy_exactly(target, at, source, start, length):
    done = 0
    while done < length and length >= 16:
        done = min(done, length - 16)
        _copy_16(target, at + done, source, start + done)
        done += 16
    while done < length:
        target[at + done] = source[start + done]
        done += 1


@njit(nogil=True, cache=True)
def _read_index(file, size, index):
    """Read where the chunks of a shard lie, which stands at its end."""
    length = index.size - _SLACK
    if size < length or _pread(file, _pointer(index, 0), length, size - length) != length:
        return CUT_SHORT
    if crc32c(index, 0, length - 4) != _little_endian(index, length - 4, 4):
        return DAMAGED
    return SOUND


@njit(nogil=True, cache=True)
def _touched(corner, chunks, box):
    """Return the first chunk of a shard that a box touches along each axis, and the end."""
    begin = (np.maximum(box[0], corner) - corner) // EDGE
    stop = (np.minimum(box[1], corner + chunks * EDGE) - corner + EDGE - 1) // EDGE
    return begin, stop


@njit(nogil=True, cache=True)
def expect_shards(paths, corners, chunks, box):
    """Tell the system which bytes of shards will be read; what lies in a row is told at once."""
    for number in range(len(paths)):
        file = _open(_pointer(paths[number], 0), _READ_ONLY)
        if file >= 0:
            index = np.empty(chunks[0] * chunks[1] * chunks[2] * _ENTRY + 4 + _SLACK, np.uint8)
            if _read_index(file, _seek(file, 0, os.SEEK_END), index) == SOUND:
                _announce(file, index, corners[number], chunks, box)
            _close(file)


@njit(nogil=True, cache=True)
def _announce(file, index, corner, chunks, box):
    begin, stop = _touched(corner, chunks, box)
    start, end = np.int64(0), np.int64(0)
    for slab in range(begin[0], stop[0]):
        for line in range(begin[1], stop[1]):
            for column in range(begin[2], stop[2]):
                entry = ((slab * chunks[1] + line) * chunks[2] + column) * _ENTRY
                at, stored = _little_endian(index, entry, 8), _little_endian(index, entry + 8, 8)
                if stored == -1:
                    continue
                if at != end:
                    if end > start:
                        _advise(file, start, end - start, _WILL_NEED)
                    start = at
                end = at + stored
    if end > start:
        _advise(file, start, end - start, _WILL_NEED)


@njit(nogil=True, cache=True)
def _longest(width):
    """How many bytes a stored chunk has at most."""
    return VOXELS * width + _BLOSC_HEADER + 4 * EDGE + 4


@njit(nogil=True, cache=True)
def _read_chunk(file, at, stored, width, source, planes, chunk, wanted, is_shared):
    """Read the first `wanted` voxels of the chunk of `stored` bytes at `at` into `chunk`.

    Where none is stored they are zeros, as shared memory is from the start.
    """
    if stored == -1:
        if not is_shared:
            chunk[: VOXELS * width] = 0
        return SOUND
    if stored < 4 or stored > _longest(width):
        return DAMAGED
    if _pread(file, _pointer(source, 0), stored, at) != stored:
        return CUT_SHORT
    if crc32c(source, 0, stored - 4) != _little_endian(source, stored - 4, 4):
        return DAMAGED
    is_ours = _blosc(source, stored - 4, width, planes, chunk, wanted, is_shared)
    return SOUND if is_ours else DAMAGED


@njit(nogil=True, cache=True)
def read_shards(
    paths, corners, chunks, box, width, is_signed, target, first, strides, scale, grid, flags, kept
):
    """Read the part of a box that lies in some shards.

    Args:
        paths: uint8 (count, length): of the shards' files, as bytes that end in 0; empty where
            there is none, which reads as 0.
        corners: int64 (count, 3): first index of each shard in the array.
        chunks: how many inner chunks a shard has along each axis.
        box: int64 (2, 3): first index of the box in the array, and where it ends.
        width: bytes of a stored voxel, 1 or 2.
        is_signed: whether it is a signed integer.
        target: bytes that voxels go to.
        first: where in `target` the box's first voxel goes, counted in voxels of the target.
        strides: from voxel to voxel along each axis of the box, int64 (3,), counted alike.
        scale: float64 (low, high, centre, width): `(clip(value, low, high) - centre) / width` goes
            to `target` as float32; values as they are stored where `width` is 0.
        grid: how many inner chunks the array has along each axis.
        flags: of these chunks, 1 where it is kept decoded; empty where none is.
        kept: bytes of the kept chunks.

    Returns:
        SOUND, CUT_SHORT, DAMAGED or NOT_OPENED, and of which shard; the last where all are sound.
    """
    for number in range(len(paths)):
        what = (corners[number], chunks, box, width, is_signed)
        state = _read_chunks(paths[number], what, target, first, strides, scale, grid, flags, kept)
        if state != SOUND:
            return state, number
    return SOUND, len(paths) - 1


@njit(nogil=True, cache=True)
def _read_chunks(path, what, target, first, strides, scale, grid, flags, kept):
    corner, chunks, box, width, is_signed = what
    begin, stop = _touched(corner, chunks, box)
    counts = stop - begin
    origin = corner // EDGE
    chunk_bytes = VOXELS * width
    source = planes = chunk = index = np.empty(0, np.uint8)
    file, state, is_open = np.int32(-1), SOUND, False
    is_shared = flags.size > 0
    where = np.empty(3, np.int64)
    for number in range(counts[0] * counts[1] * counts[2]):
        slab = begin[0] + number // (counts[1] * counts[2])
        line = begin[1] + number // counts[2] % counts[1]
        column = begin[2] + number % counts[2]
        where[0], where[1] = corner[0] + slab * EDGE, corner[1] + line * EDGE
        where[2] = corner[2] + column * EDGE
        row = (origin[0] + slab) * grid[1] + origin[1] + line
        at = (row * grid[2] + origin[2] + column) * chunk_bytes
        chunk_now = kept[at : at + chunk_bytes] if is_shared else chunk
        if is_shared and flags[at // chunk_bytes]:
            _fence()
        else:
            if not is_open:
                # Nothing is opened where everything is kept.
                is_open = True
                source = np.empty(_longest(width) + _SLACK, np.uint8)
                planes = np.empty(chunk_bytes + _SLACK, np.uint8)
                file, index, state = _open_shard(path, chunks)
                if not is_shared:
                    chunk_now = chunk = np.empty(VOXELS * 2 + _SLACK, np.uint8)
            wanted = VOXELS if is_shared else _wanted(box, where)
            entry = ((slab * chunks[1] + line) * chunks[2] + column) * _ENTRY
            if state == SOUND:
                state = _read_entry(
                    file, index, entry, width, source, planes, chunk_now, wanted, is_shared
                )
            if state != SOUND:
                break
            if is_shared:
                _fence()
                flags[at // chunk_bytes] = 1
        _place(chunk_now, width, is_signed, where, box, target, first, strides, scale)
    if file >= 0:
        _close(file)
    return state


@njit(nogil=True, cache=True)
def _open_shard(path, chunks):
    """Open a shard and read its index; without a file, every chunk is zeros."""
    index = np.empty(chunks[0] * chunks[1] * chunks[2] * _ENTRY + 4 + _SLACK, np.uint8)
    if not path[0]:
        return np.int32(-1), index, SOUND
    file = _open(_pointer(path, 0), _READ_ONLY)
    if file < 0:
        return file, index, NOT_OPENED
    return file, index, _read_index(file, _seek(file, 0, os.SEEK_END), index)


@njit(nogil=True, cache=True)
def _wanted(box, where):
    """Return how many voxels of a chunk, from its first on, hold all that a box wants of it."""
    slab, line = min(box[1, 0] - where[0], EDGE) - 1, min(box[1, 1] - where[1], EDGE) - 1
    return (slab * EDGE + line) * EDGE + min(box[1, 2] - where[2], EDGE)


@njit(nogil=True, cache=True)
def _read_entry(file, index, entry, width, source, planes, chunk, wanted, is_shared):
    """Read the first `wanted` voxels of a chunk that the index tells of."""
    at, stored = _little_endian(index, entry, 8), _little_endian(index, entry + 8, 8)
    stored = np.int64(-1) if file < 0 else stored
    return _read_chunk(file, at, stored, width, source, planes, chunk, wanted, is_shared)

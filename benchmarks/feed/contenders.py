"""Who takes part, what each reads, and the processes they run in."""

import contextlib
import dataclasses
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import nibabel as nib
import numpy as np
from benchmarks.feed.prepare_sightline import prepare
from benchmarks.feed.volumes import SPACING_MM, Size, write_plain

ROOT = Path(__file__).parent.parent.parent
_HERE = Path(__file__).parent
_WARM_UP_PATCHES = 16
_LOOK_S, _QUIET_SHARE, _MOST_QUIET_S = 0.25, 0.85, 30.0
OURS, HOST, NUMPY = "sightline", "sightline, host", "numpy in memory"
NNUNET, MONAI = "nnU-Net", "MONAI CacheDataset"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One contender.

    Attributes:
        peer: its environment below .peers; empty for ours.
        reads: the folder of the store that it reads.
        idle: patches that may lie ready when a round begins; they do not count.
    """

    name: str
    driver: str
    reads: str
    peer: str = ""
    options: tuple[str, ...] = ()
    idle: int = 40

    @property
    def python(self) -> Path:
        """The interpreter that runs it."""
        return ROOT / ".peers" / self.peer / "bin/python" if self.peer else Path(sys.executable)


_NNUNET = Contender(name=NNUNET, driver="drive_nnunet.py", reads="nnunet", peer="nnunetv2")
_MONAI = Contender(name=MONAI, driver="drive_monai.py", reads="nifti", peer="monai", idle=8)
_OURS = Contender(name=OURS, driver="drive_sightline.py", reads="sightline")
PLAIN = (
    _OURS,
    Contender(name=NUMPY, driver="drive_numpy.py", reads="plain", idle=0),
    _NNUNET,
    _MONAI,
    dataclasses.replace(_MONAI, name="MONAI PersistentDataset", options=("--kind", "persistent")),
    Contender(
        name="TorchIO Queue", driver="drive_torchio.py", reads="nifti", peer="torchio", idle=64
    ),
)
AUGMENTED = (
    dataclasses.replace(_OURS, options=("--augment",)),
    dataclasses.replace(_OURS, name=HOST, options=("--augment", "--host")),
    dataclasses.replace(_NNUNET, options=("--augment",)),
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The same volumes in every form that a contender reads."""

    folder: Path
    size: Size

    @classmethod
    def make(cls, folder: Path, size: Size, *, peers: bool = True) -> Self:
        """Make what is not there yet, for installed peers too."""
        plain = folder / "plain"
        if not (plain / f"mask-{size.volumes - 1}.npy").exists():
            write_plain(plain, size)
        if not (folder / "sightline" / f"mask-{size.volumes - 1}").exists():
            prepare(plain, folder / "sightline")
        store = cls(folder=folder, size=size)
        if peers and _is_any_there(_NNUNET.peer) and not (folder / "nnunet").exists():
            # Chunks of its documented default patch; 96^3 is read from them as well.
            command = [_NNUNET.python, _HERE / _NNUNET.driver, folder / "nnunet", "128"]
            subprocess.run([*map(str, command), "--prepare", str(plain)], check=True)
        if peers and _is_any_there("monai", "torchio") and not (folder / "nifti").exists():
            _write_nifti(plain, folder / "nifti")
        return store

    def stored_share(self) -> float:
        """Return the bytes of our images as a share of their raw size."""
        arrays = (self.folder / "sightline").glob("image-*")
        stored = sum(path.stat().st_size for each in arrays for path in each.rglob("c/*/*/*"))
        return round(stored / (self.size.volumes * self.size.slices * self.size.rows**2 * 2), 3)

    def forget(self, contender: Contender) -> None:
        """Drop what the system remembers of a contender's files, and what of ours is decoded."""
        _forget_decoded()
        for path in (self.folder / contender.reads).rglob("*"):
            if path.is_file():
                file = os.open(path, os.O_RDONLY)
                os.fsync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)


def _forget_decoded() -> None:
    """Lower the flags of the chunks that ours keeps decoded in shared memory."""
    folder = Path(f"/dev/shm/sightline-{os.getuid()}")  # noqa: S108 - ours, and nobody else's
    for path in folder.glob("*"):
        size = path.stat().st_size
        for chunk_bytes in (2 * 32**3, 32**3):
            count = size // chunk_bytes
            flags = -(-count // mmap.PAGESIZE) * mmap.PAGESIZE
            if size == flags + count * chunk_bytes:
                with path.open("r+b") as file:
                    file.write(bytes(count))
                break
        else:
            raise ValueError(f"{path} is no memory of chunks")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a contender came to.

    Attributes:
        rounds: patches, seconds and processor seconds of each.
    """

    first_s: float
    rounds: tuple[tuple[int, float, float], ...]

    def rates(self, *, per_cpu_s: bool) -> list[float]:
        """Return patches a second of each round."""
        tick = 1 / os.sysconf("SC_CLK_TCK")
        return [
            patches / (max(cpu_s, tick) if per_cpu_s else seconds)
            for patches, seconds, cpu_s in self.rounds
        ]


class Running:
    """A contender that runs."""

    def __init__(self, contender: Contender, process: "subprocess.Popen[str]") -> None:
        self.contender = contender
        self._process = process
        self._first_s = float(self._answer()["first_s"])
        self._rounds: list[tuple[int, float, float]] = []

    def empty(self) -> None:
        """Take what it made ready while nobody asked: that would not count as work."""
        self._ask(self.contender.idle)

    def warm_up(self, seconds: float) -> None:
        """Let it deliver for a while, untimed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._ask(_WARM_UP_PATCHES)

    def time(self, patches: int) -> None:
        """Let it deliver."""
        told = self._ask(patches)
        self._rounds.append((int(told["patches"]), told["seconds"], told["cpu_s"]))

    def _ask(self, patches: int) -> dict[str, float]:
        if self._process.stdin is None:
            raise AssertionError("a contender is asked on its standard input")
        self._process.stdin.write(f"{patches}\n")
        self._process.stdin.flush()
        return self._answer()

    def measured(self) -> Measured:
        """Return what it came to."""
        return Measured(first_s=round(self._first_s, 2), rounds=tuple(self._rounds))

    def _answer(self) -> dict[str, float]:
        if self._process.stdout is None:
            raise AssertionError("a contender answers on its standard output")
        for line in self._process.stdout:
            if line.startswith("{"):
                told: dict[str, float] = json.loads(line)
                return told
        sys.exit(f"{self.contender.name} ended with {self._process.wait()}")


def wait_for_quiet() -> None:
    """Wait until whoever delivered before has filled its queues: half a minute at most."""
    until = time.monotonic() + _MOST_QUIET_S
    while time.monotonic() < until:
        before = _idle_s()
        time.sleep(_LOOK_S)
        if _idle_s() - before >= _QUIET_SHARE * _LOOK_S * len(os.sched_getaffinity(0)):
            return


def _idle_s() -> float:
    """Return how long the processors had nothing to do so far, together."""
    idle, waiting = Path("/proc/stat").read_text(encoding="ascii").split()[4:6]
    return (int(idle) + int(waiting)) / os.sysconf("SC_CLK_TCK")


def installed(contenders: Sequence[Contender]) -> list[Contender]:
    """List those that are there; say how to install the others."""
    missing = sorted(
        {each.peer for each in contenders if each.peer and not _is_any_there(each.peer)}
    )
    for peer in missing:
        print(f"{peer} is not installed: make .peers/{peer}/installed", file=sys.stderr)
    return [each for each in contenders if each.peer not in missing]


@contextlib.contextmanager
def started(contender: Contender, store: Store, edge: int) -> Iterator[Running]:
    """Run a contender until the end of the block."""
    command = [contender.python, _HERE / contender.driver, store.folder / contender.reads, edge]
    options = list(contender.options)
    if "persistent" in options:
        options += ["--cache", str(store.folder / "monai-persistent")]
    process = subprocess.Popen(
        [*map(str, command), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Running(contender, process)
    finally:
        # Its workers, too, which would keep the pipe open.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _is_any_there(*peers: str) -> bool:
    return any((ROOT / ".peers" / peer / "installed").exists() for peer in peers)


def _write_nifti(plain: Path, folder: Path) -> None:
    folder.mkdir()
    affine = np.diag([SPACING_MM[2], SPACING_MM[1], SPACING_MM[0], 1.0])
    for path in sorted(plain.glob("*.npy")):
        voxels = np.load(path)
        nib.save(nib.Nifti1Image(voxels.T, affine), folder / f"{path.stem}.nii")

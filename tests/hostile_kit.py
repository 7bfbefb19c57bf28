"""What makers of hostile packages work with, and the table that they enter.

All but those of signatures are signed by the publisher that the site trusts: what refuses them is
the look at their content. A payload that came to run would leave `canary` behind, or call `port`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.packages import tiny_weights, write

WEIGHTS = Path(__file__).parent / "data" / "weights"
MIB = 1024**2
TENSORS, GRAPH = "weights.safetensors", "weights.onnx"
CHECKPOINT, MODEL = "fold_0/checkpoint_final.pth", "models/model.pt"
INFERENCE = "configs/inference.json"
_MODALITIES = {"monai": "CT", "nnunet": "CT"}


class Kit:
    """What makers work with.

    Attributes:
        canary: the file that a payload would write.
        port: on loopback, that a payload would call.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.canary = folder / "canary"
        self.path = folder / "hostile.zip"
        self.weights = tiny_weights()

    def tensors(self, content: bytes | None = None, **changes: object) -> Path:
        """Write a package of safetensors."""
        weights = self.weights if content is None else content
        return write(self.path, {TENSORS: weights}, **changes)

    def graph(self, content: bytes, **changes: object) -> Path:
        """Write a package of ONNX."""
        return write(self.path, {GRAPH: content}, weights__kind="onnx", **changes)

    def nnunet(self, checkpoint: bytes) -> Path:
        """Write a package of an nnU-Net folder with another checkpoint."""
        return self._folder("nnunet", "nnunet", {CHECKPOINT: checkpoint}, ())

    def honest_nnunet(self) -> Path:
        """Write a package of an nnU-Net folder as it is."""
        return self._folder("nnunet", "nnunet", {}, ())

    def monai(self, changed: dict[str, bytes], *, without: tuple[str, ...] = ()) -> Path:
        """Write a package of a MONAI bundle with files of it replaced."""
        return self._folder("monai", "monai_bundle", changed, without)

    def _folder(
        self, name: str, kind: str, changed: dict[str, bytes], without: tuple[str, ...]
    ) -> Path:
        files = {
            str(path.relative_to(WEIGHTS / name)): path.read_bytes()
            for path in sorted((WEIGHTS / name).rglob("*"))
            if path.is_file() and path.suffix != ".npz"
        }
        kept = {each: content for each, content in files.items() if each not in without}
        return write(
            self.path,
            kept | changed,
            weights__kind=kind,
            plan=None,
            recipe__accepts__modality=_MODALITIES[name],
        )

    def inference(self, **changes: object) -> Path:
        """Write a bundle whose inference file has other entries."""
        document = json.loads((WEIGHTS / "monai" / INFERENCE).read_bytes())
        return self.monai({INFERENCE: json.dumps(document | changes).encode()})

    def network(self, **changes: object) -> Path:
        """Write a bundle whose network has other arguments."""
        document = json.loads((WEIGHTS / "monai" / INFERENCE).read_bytes())
        return self.inference(network_def=document["network_def"] | changes)

    @property
    def shell(self) -> str:
        return f"touch {self.canary}"

    @property
    def code(self) -> str:
        return f"open({str(self.canary)!r}, 'w').close()"

    @property
    def call(self) -> str:
        return f"__import__('socket').create_connection(('127.0.0.1', {self.port}))"


class Trap:
    """Unpickled as ever, it would call a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


Maker: TypeAlias = Callable[[Kit], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
"""By name: the maker, and a part of the words that refuse what it makes."""


def table(words: str, **makers: Maker) -> None:
    """Enter makers that are refused alike."""
    for name, maker in makers.items():
        assert name not in HOSTILE, name
        HOSTILE[name] = maker, words

"""Every kind of task learns what it is taught, through feed, training and evaluation."""

from pathlib import Path

import numpy as np
import pytest

from sightline.feed.example import Example
from sightline.judge.exhibits import unpack
from sightline.phantoms.xray import chest_xray
from sightline.predict.engine import answer
from sightline.predict.model import Model
from sightline.store.arrays import StoredArray, write_array
from sightline.train.evaluate import evaluate
from sightline.train.examine import examine
from sightline.train.fingerprint import take_fingerprint
from sightline.train.plan import plan
from sightline.train.run import FittedModel, Splits, fit
from sightline.values.evaluation import Evaluation
from sightline.values.geometry import Geometry
from sightline.values.recipe import Recipe
from sightline.values.statement import Place, Statement, draw_places
from sightline.values.volume import Volume

AFFINE = np.diag([1.5, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
SHAPE = (12, 20, 20)


def recipe_of(task: str, *, steps: int, rest: str = "") -> Recipe:
    return Recipe.from_yaml(
        f"""
        name: learnt
        title: T
        accepts: {{modality: MR}}
        task: {task}
        {rest}
        training: {{steps: {steps}, batch: 4, validate_every: {steps}, affine_share: 0,
                    appearance: 0.2, precision: float32}}
        """
    )


class Maker:
    """Makes examples, and trains on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, name: str, voxels: np.ndarray) -> StoredArray:
        write_array(self.folder / name, voxels, {})
        return StoredArray.open(self.folder / name)

    def example(self, number: int, voxels: np.ndarray, **taught: object) -> Example:
        volume = self.store(f"image-{number}", voxels)
        return Example(
            series_uid=f"2.25.{number}",
            subject_id=f"S-{number}",
            volume=volume,
            geometry=Geometry.from_affine(volume.shape, AFFINE),
            modality="MR",
            **taught,
        )

    def learn(
        self, recipe: Recipe, examples: list[Example], held: list[Example]
    ) -> tuple[FittedModel, Model, Evaluation]:
        made = plan(recipe, take_fingerprint(examples, tuple(recipe.task.classes)))
        splits = Splits(training=examples, validation=held[:2])
        fitted = fit(recipe, made, splits, workdir=self.folder / "run", threads=2)
        path = self.folder / "weights"
        path.write_bytes(fitted.weights)
        model = Model.load(path, fitted.manifest)
        return fitted, model, evaluate(model, held)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def test_opacities_on_phantom_x_rays_are_told_from_none(maker: Maker) -> None:
    examples = []
    for seed in range(56):
        made = chest_xray(seed, size=48)
        said = Statement(
            target="t",
            author="R",
            kind="presence",
            classes=("opacity",),
            present=("opacity",) if made.has_opacity else (),
        )
        examples.append(
            maker.example(
                seed, made.picture[None], numbers=(float(made.has_opacity),), statement=said
            )
        )
    recipe = recipe_of(
        "{kind: classify, classes: [opacity], exclusive: false, target: t}",
        steps=60,
        rest="inputs: {patch: [1, 48, 48]}\n        "
        "network: {name: small_resnet, channels: [8, 16, 32]}",
    )
    fitted, model, found = maker.learn(recipe, examples[:32], examples[32:])
    assert found.headline.metric == "auroc"
    assert (found.headline.figure.value or 0) > 0.9
    assert fitted.manifest.plan.patch == (1, 48, 48)
    assert fitted.record["metric"] == "auroc"
    # Somebody drew, on each image but one, what the answer should rest on.
    middle = np.zeros((1, 48, 48), np.uint8)
    middle[:, 12:36, 12:36] = 1
    anatomy = {each.series_uid: maker.store("middle", middle) for each in examples[33:44]}
    whole = examine(model, examples[32:44], facts={}, anatomy=anatomy)
    assert whole.shortcuts is not None
    probes = {probe.probe: probe.figure for probe in whole.shortcuts.probes}
    assert set(probes) == {"all but the border hidden", "the anatomy hidden"}
    assert (probes["all but the border hidden"].value or 0) < 0.9
    assert (probes["the anatomy hidden"].value or 0) < 0.9
    assert probes["the anatomy hidden"].subjects == 11
    worst = whole.exhibits[0]
    assert worst.saliency is not None
    heat = unpack(worst.saliency)
    assert heat.shape == (48, 48)
    assert heat.max() > 200


def boxes(seed: int) -> tuple[np.ndarray, tuple[int, int, int], int]:
    """Make a volume with one bright ball; return it, the ball's centre and its radius."""
    random = np.random.default_rng(seed)
    radius = int(random.integers(2, 4))
    centre = [int(random.integers(radius + 1, size - radius - 1)) for size in SHAPE]
    grid = np.indices(SHAPE).reshape(3, -1) - np.array(centre)[:, None]
    away = ((grid * [[1.5], [1], [1]]) ** 2).sum(axis=0).reshape(SHAPE)
    image = random.normal(100, 4, SHAPE) + 80 * (away <= radius**2)
    return image.astype(np.int16), (centre[0], centre[1], centre[2]), radius


def placed(number: int, maker: Maker) -> Example:
    image, centre, radius = boxes(number)
    x, y, z = (AFFINE @ [*centre, 1])[:3].tolist()
    place = Place(class_name="ball", centre_mm=(x, y, z), size_mm=(2.0 * radius,) * 3)
    said = Statement(target="t", author="R", kind="places", classes=("ball",), places=(place,))
    mask = draw_places(said.places, Geometry.from_affine(SHAPE, AFFINE), ("ball",))
    drawn = maker.store(f"mask-{number}", mask)
    return maker.example(number, image, mask=drawn, statement=said)


def test_balls_are_found_where_they_are(maker: Maker) -> None:
    examples = [placed(number, maker) for number in range(12)]
    recipe = recipe_of(
        "{kind: detect, classes: [ball], target: t}",
        steps=120,
        rest="inputs: {patch: [12, 16, 16]}\n        "
        "network: {name: plain_unet, channels: [8, 16], levels: null}",
    )
    _, model, found = maker.learn(recipe, examples[:8], examples[8:])
    assert (found.headline.metric, found.headline.figure.value) == ("cpm", 1.0)
    held = examples[9]
    volume = Volume(voxels=held.volume.read(), geometry=held.geometry, modality="MR")
    surest, true = answer(model, volume).places[0], held.statement.places[0]  # type: ignore[union-attr]  # it has one
    assert np.linalg.norm(np.subtract(surest.centre_mm, true.centre_mm)) < 1.5
    assert surest.size_mm[0] == pytest.approx(true.size_mm[0], rel=0.35)


def test_noise_is_taken_away(maker: Maker) -> None:
    examples = []
    for number in range(8):
        clean, _, _ = boxes(number)
        noisy = clean + np.random.default_rng(number + 50).normal(0, 25, SHAPE).astype(np.int16)
        image = maker.store(f"clean-{number}", clean)
        examples.append(maker.example(number, noisy, image=image))
    recipe = recipe_of(
        "{kind: restore, classes: [clean]}",
        steps=40,
        rest="inputs: {patch: [12, 16, 16]}\n        network: {name: plain_unet, channels: [8, 16]}",
    )
    _, model, found = maker.learn(recipe, examples[:6], examples[6:])
    held = examples[6]
    clean = held.image.read()  # type: ignore[union-attr]  # it has one
    before = np.abs(held.volume.read() - clean).mean()
    made = answer(
        model, Volume(voxels=held.volume.read(), geometry=held.geometry, modality="MR")
    ).image
    assert made is not None
    assert np.abs(made - clean).mean() < before / 2
    assert found.headline.metric == "ssim"


@pytest.mark.parametrize("kind", ["grade", "regress"])
def test_how_much_is_bright_is_told(maker: Maker, kind: str) -> None:
    examples = []
    for number in range(32):
        random = np.random.default_rng(number)
        level = int(random.integers(0, 3))
        image = random.normal(100, 10, (1, 24, 24))
        image[0, :, : 8 * level] += 60
        names = ("low", "middle", "high") if kind == "grade" else ("width",)
        said = Statement(
            target="t",
            author="R",
            kind="presence" if kind == "grade" else "numbers",
            classes=names,
            present=(names[level],) if kind == "grade" else (),
            numbers=() if kind == "grade" else (100.0 * level,),
            units=() if kind == "grade" else ("mm",),
        )
        numbers = (float(level) if kind == "grade" else 100.0 * level,)
        examples.append(
            maker.example(number, image.astype(np.int16), numbers=numbers, statement=said)
        )
    classes = "[low, middle, high]" if kind == "grade" else "[width]"
    recipe = recipe_of(
        f"{{kind: {kind}, classes: {classes}, target: t}}",
        steps=60,
        rest="inputs: {patch: [1, 24, 24], window: [50, 200]}\n        "
        "network: {name: small_resnet, channels: [8, 16]}",
    )
    fitted, _, found = maker.learn(recipe, examples[:24], examples[24:])
    value = found.headline.figure.value
    assert value is not None
    if kind == "grade":
        assert value > 0.8
    else:
        assert value < 25
        assert fitted.manifest.plan.scales[0][0] == pytest.approx(100, abs=50)


def test_the_same_training_gives_the_same_bytes(maker: Maker, tmp_path: Path) -> None:
    examples = [placed(number, maker) for number in range(3)]
    recipe = recipe_of(
        "{kind: detect, classes: [ball], target: t}",
        steps=3,
        rest="inputs: {patch: [8, 16, 16]}\n        network: {name: plain_unet, channels: [4, 8]}",
    )
    made = plan(recipe, take_fingerprint(examples, ("ball",)))

    def weights(folder: str) -> bytes:
        splits = Splits(training=examples, validation=[])
        return fit(recipe, made, splits, workdir=tmp_path / folder, threads=2).weights

    assert weights("one") == weights("two")

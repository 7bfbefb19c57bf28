"""Write phantom studies as DICOM: chest CTs with known lesions, or any NIfTI images."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.cli.context import new_verb
from sightline.errors import BadFile
from sightline.phantoms.campaign import wrap_images, write_chests
from sightline.phantoms.scanner import SITES
from sightline.phantoms.series import SeriesNames
from sightline.phantoms.xray import pictures_in, wrap_pictures, write_xrays

APP = new_verb("Write phantom studies as DICOM, with seeded identities of people who do not exist.")

Size: TypeAlias = Literal["tiny", "small", "full"]
_SHAPES: dict[Size, tuple[int, int, int]] = {
    "tiny": (16, 64, 64),
    "small": (48, 128, 128),
    "full": (300, 512, 512),
}


@APP.command()
def chest(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    patients: Annotated[int, typer.Option(help="How many.")] = 1,
    first: Annotated[int, typer.Option(help="Number of the first patient.")] = 1,
    site: Annotated[Literal["a", "b"], typer.Option(help="Whose scanner.")] = "a",
    size: Annotated[Size, typer.Option(help="Slices and matrix.")] = "small",
) -> None:
    """Write chest CTs with ground glass and consolidation, and the truth as masks."""
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("phantoms", total=patients)
        table = write_chests(
            folder,
            seeds=range(first, first + patients),
            scanner=SITES[site],
            shape=_SHAPES[size],
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    print(f"{patients} studies in {folder / 'dicom'}; their masks in {table}")


@APP.command()
def wrap(
    images: Annotated[Path, typer.Argument(help="Folder of NIfTI images.")],
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    masks: Annotated[Path | None, typer.Option(help="Folder of masks named alike.")] = None,
    classes: Annotated[str, typer.Option(help="Classes of the masks: a,b,c.")] = "",
    modality: Annotated[Literal["CT", "MR"], typer.Option(help="What the images are.")] = "MR",
    description: Annotated[str, typer.Option(help="Series description.")] = "wrapped image",
    body_part: Annotated[str, typer.Option(help="Body Part Examined.")] = "",
) -> None:
    """Write NIfTI images as DICOM series of people who do not exist."""
    pairs = _pairs(images, masks)
    names = SeriesNames(
        description=description, body_part=body_part, study_description=f"{modality} {description}"
    )
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("images", total=len(pairs))
        table = wrap_images(
            pairs,
            folder,
            modality=modality,
            classes=tuple(classes.split(",")) if classes else (),
            names=names,
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    print(f"{len(pairs)} studies in {folder / 'dicom'}; their masks in {table}")


@APP.command()
def xray(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    patients: Annotated[int, typer.Option(help="How many.")] = 1,
    first: Annotated[int, typer.Option(help="Number of the first patient.")] = 1,
    size: Annotated[int, typer.Option(help="Rows and columns.")] = 256,
) -> None:
    """Write chest X-rays, half of them with opacities, and the truth as a table of values."""
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("phantoms", total=patients)
        table = write_xrays(
            folder,
            seeds=range(first, first + patients),
            size=size,
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    print(f"{patients} studies in {folder / 'dicom'}; what holds of them in {table}")


@APP.command("wrap-xrays")
def wrap_xrays(
    pictures: Annotated[Path, typer.Argument(help="Folder of PNG or JPEG pictures.")],
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    description: Annotated[str, typer.Option(help="Series description.")] = "CHEST PA",
    body_part: Annotated[str, typer.Option(help="Body Part Examined.")] = "CHEST",
) -> None:
    """Write pictures as DICOM X-rays of people who do not exist."""
    found = pictures_in(pictures)
    names = SeriesNames(
        number=1,
        description=description,
        body_part=body_part,
        study_description=f"X-RAY {description}",
    )
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("pictures", total=len(found))
        table = wrap_pictures(
            found,
            folder,
            names=names,
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    print(f"{len(found)} studies in {folder / 'dicom'}; the file of each in {table}")


def _pairs(images: Path, masks: Path | None) -> list[tuple[Path, Path | None]]:
    found = sorted(path for path in images.glob("*.nii*") if path.is_file())
    if not found:
        raise BadFile(
            f"{images} holds no .nii or .nii.gz file", hint="Give the folder of the images."
        )
    if masks is None:
        return [(path, None) for path in found]
    pairs = [(path, masks / path.name) for path in found]
    missing = [mask.name for _, mask in pairs if not mask.is_file()]
    if missing:
        raise BadFile(
            f"{len(missing)} images have no mask in {masks}, the first is {missing[0]}",
            hint="Masks are named as their images.",
        )
    return list(pairs)

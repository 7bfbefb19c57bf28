"""The commands of `sightline models` about packages: pack, install, and whom to trust."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sightline import extras
from sightline.cli.context import print_table, settings_of
from sightline.deid.package_signing import package_signer
from sightline.errors import BadFile, BadSettings
from sightline.formats.signature import read_public_key, write_public_key
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.hub.packages import installed_as, opened
from sightline.hub.packing import Words, write_model
from sightline.hub.publishers import distrust as distrust_publisher
from sightline.hub.publishers import publishers as trusted
from sightline.hub.publishers import trust as trust_publisher
from sightline.values.package import InstalledPackage

_LARGEST_KEY_BYTES = 4096

Publisher = Annotated[str, typer.Argument(help="As its packages give it.")]


def add_to(verb: typer.Typer) -> None:
    """Add these commands to `sightline models`."""
    for command in (pack, install, key, trust, distrust, publishers):
        verb.command()(command)


def shown(package: InstalledPackage) -> dict[str, Any]:
    """Return what is shown of the package that a model came in; JSON values."""
    told = package.to_json()
    return {
        **told["described"],
        "signed": package.is_signed,
        "key": package.key,
        "digest": package.digest,
        "weights": package.weights,
    }


def pack(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="NAME, NAME@N or a model's id.")],
    to: Annotated[Path, typer.Option(help="A new file.")],
    intended_use: Annotated[str, typer.Option(help="What the model is for, for a clinician.")],
    limits: Annotated[str, typer.Option(help="What it does not do, or was not tested on.")],
    publisher: Annotated[str, typer.Option(help="Who gives it away, as others will know you.")],
    licence: Annotated[str, typer.Option(help="On what terms, such as CC-BY-4.0.")],
    version: Annotated[str, typer.Option(help="Of the package. Default: the model's.")] = "",
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Network and weights as one ONNX graph.")
    ] = False,
) -> None:
    """Write a model as one signed file that `sightline models install` takes elsewhere."""
    settings = settings_of(ctx)
    hub = Hub.open(settings)
    chosen = model(hub, name)
    signer = package_signer(settings)
    graph = None
    if onnx and chosen.manifest.get("weights") != "onnx":
        graph = extras.load("sightline.train.packing", extra="learn").graph_of(hub, chosen)
    words = Words(
        publisher=publisher,
        licence=licence,
        intended_use=intended_use,
        limits=limits,
        version=version,
    )
    try:
        digest = write_model(hub, chosen, to, words=words, signer=signer, graph=graph)
    except OSError as error:
        raise BadSettings(
            f"{to} cannot be written: {error.strerror}", hint="Give a file in a folder of yours."
        ) from error
    print(f"{chosen.label} is in {to}, package {digest[:12]}, signed by {signer.public_key[:16]}")
    print(f"Others need your key once: sightline models key FILE (publisher {publisher!r})")


def install(
    ctx: typer.Context,
    package: Annotated[Path, typer.Argument(help="The file or folder of a package.")],
    name: Annotated[
        str, typer.Option(help="What the model is called here. Default: as in the package.")
    ] = "",
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take it though nobody signed it.")
    ] = False,
) -> None:
    """Keep the model of a package as a candidate, once publisher and every byte are proven."""
    hub = Hub.open(settings_of(ctx))
    with opened(hub, package, may_be_unsigned=allow_unsigned) as vouched:
        known = installed_as(hub, vouched)
        if known is not None:
            print(f"{known.label} is this package already")
            return
        installing = extras.load("sightline.train.installing", extra="learn")
        made = installing.install(hub, vouched, name=name)
    described, key = vouched.package.described, vouched.installed.key
    print(f"{made.label} is a candidate, of {described.publisher}: {described.title}")
    print(f"Signed by {key[:16]}" if key else "Signed by nobody: who made it is not known")
    print(f"Intended use: {described.intended_use}")
    print(f"Limits: {described.limits}")
    print(f"Next: sightline evaluate {made.label} --on NAME@N (research use only)")


def key(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file.")],
) -> None:
    """Write the public key by which others know the packages of this site."""
    public_key = package_signer(settings_of(ctx)).public_key
    try:
        with file.open("xb") as opened_file:
            opened_file.write(write_public_key(public_key))
    except OSError as error:
        raise BadSettings(
            f"{file} cannot be written: {error.strerror}", hint="Name a new file."
        ) from error
    print(f"{public_key[:16]} is in {file}")


def trust(
    ctx: typer.Context,
    publisher: Publisher,
    keyfile: Annotated[Path, typer.Argument(help="As `sightline models key` wrote it there.")],
    by: Annotated[str, typer.Option("--by", help="Who decides.")] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Instead of the key that it had.")
    ] = False,
) -> None:
    """Take packages that this key signed; get it by another way than the package."""
    try:
        with keyfile.open("rb") as file:
            content = file.read(_LARGEST_KEY_BYTES)
    except OSError as error:
        raise BadFile(
            f"{keyfile} cannot be read: {error.strerror}", hint="Give the publisher's PEM file."
        ) from error
    public_key = read_public_key(content)
    trust_publisher(Hub.open(settings_of(ctx)), publisher, public_key, by=by, replace=replace)
    print(f"{publisher} is known by {public_key[:16]}")


def distrust(ctx: typer.Context, publisher: Publisher) -> None:
    """Take no more packages of a publisher; models that came from it stay."""
    distrust_publisher(Hub.open(settings_of(ctx)), publisher)
    print(f"{publisher} is not trusted any more")


def publishers(ctx: typer.Context) -> None:
    """List the publishers whose packages are taken."""
    rows = [
        (each.name, each.public_key[:16], each.trusted_at[:16], each.trusted_by)
        for each in trusted(Hub.open(settings_of(ctx)))
    ]
    print_table(("publisher", "key", "since", "by"), rows)

"""Fetch the built OHIF viewer from npm, check it, and put it into the package.

Run it with any Python 3.11: it needs npm, or `--tarball FILE` where there is no network.
"""

import argparse
import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

PACKAGE = "@ohif/app@3.13.2"
# As `npm view @ohif/app@3.13.2 dist.integrity` tells it, without the leading `sha512-`.
SHA512 = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
TARGET = Path(__file__).parent.parent / "src" / "sightline" / "web" / "ohif"
ESBUILD = Path(__file__).parent / "esbuild"
"""Names the minifier, with the digest of each of its packages."""

BASE = "/viewer/"

DIST = PurePosixPath("package/dist")
# A segmentation model of 130 MB that would ask an outside host for its weights, and example
# configurations; the code that asks for them stays unused.
LEFT_OUT = frozenset({"ort", "customizations", "_headers", "_redirects", "sw.js"})

REBASED = (
    ("index.html", 'window.PUBLIC_URL="/"', f'window.PUBLIC_URL="{BASE}"'),
    ("index.html", 'href="/', f'href="{BASE}'),
    ("index.html", 'src="/', f'src="{BASE}'),
    ("manifest.json", '"/assets/', f'"{BASE}assets/'),
    ("*.css", "url(/", f"url({BASE}"),
    ("*.js", '__webpack_require__.p = "/";', f'__webpack_require__.p = "{BASE}";'),
    ("*.js", "'/dicom-microscopy-viewer/", f"'{BASE}dicom-microscopy-viewer/"),
)
"""Which files name the root of the host, and what they say instead."""


def main() -> None:
    """Fetch, check, unpack and move into place; a broken download changes nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tarball", type=Path, help="a tarball that was fetched before")
    given: Path | None = parser.parse_args().tarball
    with tempfile.TemporaryDirectory(dir=TARGET.parent, prefix=".ohif-") as scratch:
        tarball = given or download(Path(scratch))
        check(tarball)
        fresh = Path(scratch) / "ohif"
        unpack(tarball, fresh)
        serve_from_base(fresh)
        minify(fresh, Path(scratch))
        shutil.rmtree(TARGET, ignore_errors=True)
        fresh.rename(TARGET)
    megabytes = sum(file.stat().st_size for file in TARGET.rglob("*") if file.is_file()) / 1e6
    print(f"{PACKAGE} is in {TARGET} ({megabytes:.0f} MB)")


def download(folder: Path) -> Path:
    """Let npm fetch the package and return the tarball."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is missing. Run: apt-get install npm, or give --tarball FILE")
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(folder)], check=False
    )
    found = list(folder.glob("*.tgz"))
    if done.returncode or not found:
        sys.exit(f"npm could not fetch {PACKAGE}. Check the network, or give --tarball FILE")
    return found[0]


def check(tarball: Path) -> None:
    """Stop unless the tarball is the one this Sightline was tested with."""
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != SHA512:
        sys.exit(f"{tarball} is not {PACKAGE}: sha512 {found}. Fetch it again from npm")


def unpack(tarball: Path, folder: Path) -> None:
    """Write the files of the viewer and its licence, without source maps."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            inside = _place(path)
            source = archive.extractfile(member) if inside is not None else None
            if inside is None or source is None:
                continue
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())


def _place(path: PurePosixPath) -> PurePosixPath | None:
    if path == PurePosixPath("package/LICENSE"):
        return PurePosixPath("LICENSE")
    if not path.is_relative_to(DIST) or ".." in path.parts or path.suffix == ".map":
        return None
    inside = path.relative_to(DIST)
    return None if inside.parts[0] in LEFT_OUT else inside


def serve_from_base(folder: Path) -> None:
    """Let a build that was made for the root of a host work below `BASE`."""
    for pattern, old, new in REBASED:
        touched = [file for file in folder.glob(pattern) if old in file.read_text("utf-8")]
        if not touched:
            sys.exit(f"no {pattern} of {PACKAGE} holds {old}")
        for file in touched:
            file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def minify(folder: Path, scratch: Path) -> None:
    """Halve the scripts, which the package holds with comments and long names.

    Without network the viewer stays as it came: it works, and takes longer to load.
    """
    tools = scratch / "esbuild"
    shutil.copytree(ESBUILD, tools)
    installing = [shutil.which("npm") or "npm", "ci", "--silent", "--prefix", str(tools)]
    scripts = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.js"))]
    minifying = [str(tools / "node_modules" / ".bin" / "esbuild"), "--minify", "--outdir=."]
    minifying += ["--outbase=.", "--allow-overwrite", "--legal-comments=eof", "--log-level=error"]
    try:
        subprocess.run(installing, check=True)
        subprocess.run([*minifying, *scripts], check=True, cwd=folder)
    except (OSError, subprocess.CalledProcessError):
        print("The viewer's scripts could not be minified; they are served as they came.")


if __name__ == "__main__":
    main()

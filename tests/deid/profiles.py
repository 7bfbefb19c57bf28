"""Profiles of a site, as files."""

from pathlib import Path

from sightline.deid.profile import profile_file


def profile_with_text(folder: Path) -> Path:
    """Write the profile of a hub that lets free text pass."""
    shipped = profile_file("hub")
    profile = folder / "with-text.yaml"
    profile.write_bytes(shipped.replace(b"free_text: false", b"free_text: true"))
    assert profile.read_bytes() != shipped
    return profile

"""`sightline up` on PostgreSQL, with objects on disk and in S3: receive, door, hub, backup."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.app.conftest import Sightline

STUDIES = 2


@pytest.fixture(params=["disk", "s3"])
def elsewhere(
    sightline: Sightline,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Sightline:
    monkeypatch.setenv("SIGHTLINE_CATALOG_URL", postgres_url)
    if request.param == "s3":
        monkeypatch.setenv("SIGHTLINE_OBJECTS_URL", request.getfixturevalue("s3_url"))
    return sightline


def test_everything_works_elsewhere(
    elsewhere: Sightline, postgres_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    elsewhere.start()
    options = ("--patients", str(STUDIES), "--size", "tiny")
    elsewhere.run("phantoms", "chest", str(tmp_path / "phantoms"), *options)
    elsewhere.run("send", elsewhere.destination, str(tmp_path / "phantoms" / "dicom"))
    elsewhere.run("wait", "--studies", str(STUDIES))
    assert len(elsewhere.run("studies").splitlines()) == STUDIES
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        for schema in ("archive", "hub"):
            count = connection.execute(sa.text(f"SELECT count(*) FROM {schema}.study")).scalar()  # noqa: S608
            assert count == STUDIES
    engine.dispose()
    assert list(elsewhere.data_dir.rglob("catalog.db")) == []
    is_s3 = "s3" in request.node.callspec.id
    assert (elsewhere.data_dir / "archive" / "objects").exists() != is_s3
    elsewhere.run("verify")
    elsewhere.run("backup", str(tmp_path / "backup"), "--vault", str(tmp_path / "key"))
    assert len(list((tmp_path / "backup" / "archive" / "objects").glob("*/*"))) > 0

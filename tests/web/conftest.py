"""A site with phantom studies, served by a real server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.web.app import create_app
from sightline.web.server import WebServer
from tests.web.stage import Served, Stage, finding_of


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give an empty archive and an empty hub."""
    made = Stage(Archive.at(tmp_path / "archive"), Hub.at(tmp_path / "hub"), tmp_path / "dicom")
    yield made
    made.archive.close()
    made.hub.close()


@pytest.fixture
def empty_url(stage: Stage) -> Iterator[str]:
    """Serve the empty `stage` and give its address."""
    settings = Settings.load(data_dir=stage.folder.parent, web_port=0)
    server = WebServer(settings, create_app(settings, stage.archive, stage.hub))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve five studies: urgent, soon, routine, held at the door, still being received."""
    folder = tmp_path_factory.mktemp("site")
    stage = Stage(Archive.at(folder / "archive"), Hub.at(folder / "hub"), folder / "dicom")
    stage.teach()
    first, second, third, fourth = (stage.receive(seed) for seed in (1, 2, 3, 4))
    stage.complete()
    receiving = stage.receive(5, slices=4)
    stage.hold(fourth, "burned_in_text_likely")
    urgent = stage.predict(2, second, finding_of(2, "consolidation 42.1 ml, 41 mm"))
    soon = stage.predict(3, third, finding_of(1, "ground glass 84.3 ml"))
    routine = stage.predict(1, first, finding_of(0, "nothing found", volume_ml=0.0))
    settings = Settings.load(data_dir=folder, web_port=0)
    server = WebServer(settings, create_app(settings, stage.archive, stage.hub))
    server.start()
    yield Served(server.url, stage, urgent, soon, routine, receiving, fourth)
    server.stop()
    stage.archive.close()
    stage.hub.close()

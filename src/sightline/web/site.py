"""What every page and every answer is made from."""

import dataclasses
from pathlib import Path

import jinja2
from fastapi.responses import HTMLResponse

from sightline.archive.alerts import count_open
from sightline.archive.archive import Archive
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.web import words

FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The two stores, the settings and the templates.

    Attributes:
        has_viewer: the OHIF viewer was fetched into the package.
    """

    settings: Settings
    archive: Archive
    hub: Hub
    has_viewer: bool
    templates: jinja2.Environment

    def open_alerts(self) -> int:
        """Count the time-critical findings that nobody acknowledged."""
        return count_open(self.archive)

    def page(self, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """Fill a template; every value is escaped."""
        text = self.templates.get_template(template).render(site=self, **values)
        return HTMLResponse(text, status_code=status)


def load_templates() -> jinja2.Environment:
    """Return the templates, with the words that people read as filters."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "person": words.person,
        "sex": words.sex,
        "date": words.date,
        "time": words.time,
        "moment": words.moment,
        "waiting": words.waiting,
        "priority": words.priority,
        "plain": words.plain,
        "kind": words.kind,
    }
    environment.globals |= {"age": words.age}
    return environment

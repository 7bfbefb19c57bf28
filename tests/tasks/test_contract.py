"""Every task of ours passes the suite, in each of the ways a recipe may ask for it."""

import pytest

from sightline.tasks.contract import TASKS, Task
from sightline.testing.tasks import CLASSES, TaskConformance, Truths, plan_of, truths_of
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked

REGIONS = {"whole": list(CLASSES), "inner": list(CLASSES[1:]), "core": [CLASSES[2]]}
WAYS = {name: {} for name in TASKS.names()} | {
    "segment regions": {"regions": REGIONS},
    "classify any": {"exclusive": False},
}


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestTasks(TaskConformance):
    @pytest.fixture
    def candidate(self, way: str) -> Task:
        return TASKS.get(way.split(maxsplit=1)[0])

    @pytest.fixture
    def asked(self, way: str) -> Asked:
        return Asked.model_construct(
            kind=way.split(maxsplit=1)[0], classes=list(CLASSES), **WAYS[way]
        )


class TestFlatTasks(TestTasks):
    """The same of single slices."""

    @pytest.fixture
    def plan(self, candidate: Task, asked: Asked) -> Plan:
        return plan_of(candidate, asked, (1, 14, 16))

    @pytest.fixture
    def truths(self, candidate: Task, plan: Plan) -> Truths:
        return truths_of(candidate, plan)

from tests.web.stage import SUBJECTS, Served


def test_health(served: Served) -> None:
    answer = served.get("/api/health").json()
    assert answer["status"] == "ok"
    assert answer["version"]


def test_the_worklist_is_in_reading_order(served: Served) -> None:
    answer = served.get("/api/worklist").json()
    assert [entry["priority"] for entry in answer["entries"]] == [2, 1, 0, None, None]
    assert answer["entries"][0]["study"]["uid"] == served.urgent.study_uid
    assert served.get("/api/worklist?q=ground+glass").json()["total"] == 1
    assert served.get("/api/worklist?limit=2").json()["total"] == 5


def test_a_study_with_its_results(served: Served) -> None:
    answer = served.get(f"/api/studies/{served.urgent.study_uid}").json()
    (prediction,) = answer["predictions"]
    assert prediction["finding"]["words"] == "consolidation 42.1 ml, 41 mm"
    assert sorted(result["kind"] for result in answer["results"]) == ["OT", "SEG", "SR"]


def test_a_trace_goes_from_a_published_object_to_the_subjects(served: Served) -> None:
    answer = served.get(f"/api/trace/{served.urgent.seg.instance_uid}").json()
    assert answer["start"]["id"] == served.urgent.seg.lineage_id
    kinds = [step["node"]["kind"] for step in answer["steps"]]
    assert kinds[:3] == ["prediction", "model", "run"]
    assert kinds.count("subject") == SUBJECTS
    subject = next(s["node"]["id"] for s in answer["steps"] if s["node"]["kind"] == "subject")
    down = served.get(f"/api/trace/{subject}?direction=down").json()
    assert served.urgent.seg.lineage_id in {step["node"]["id"] for step in down["steps"]}


def test_models(served: Served) -> None:
    (model,) = served.get("/api/models").json()
    assert (model["name"], model["version"], model["state"]) == ("covid-chest", 1, "live")


def test_what_is_not_there_or_malformed(served: Served) -> None:
    for path in ("/api/studies/1.2.3", "/api/trace/nothing"):
        answer = served.get(path)
        assert answer.status_code == 404
        assert set(answer.json()) == {"problem", "hint"}
    assert served.get("/api/trace/covid@3?direction=sideways").status_code == 400
    assert served.get("/api/nothing").status_code == 404

"""What servers say went wrong is read, whatever form it has."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sightline.formats.fhir_outcome import failed_entries, read_outcome


def test_what_an_answer_complains_of_is_read() -> None:
    issues = [
        {"severity": "information", "code": "informational", "diagnostics": "took 3 ms"},
        {"severity": "error", "code": "invalid", "details": {"text": "no such code"}},
        {"severity": "fatal", "code": "exception", "diagnostics": "gave up"},
        {"severity": "error", "code": "required"},
    ]
    outcome = {"resourceType": "OperationOutcome", "issue": issues}
    assert read_outcome(json.dumps(outcome).encode()) == "no such code; gave up; required"
    entries = [
        {"response": {"status": "201 Created"}},
        {"response": {"status": "422", "outcome": outcome}},
    ]
    answer = {"resourceType": "Bundle", "entry": entries}
    assert failed_entries(json.dumps(answer).encode()) == "422 no such code; gave up; required"


@given(
    st.one_of(
        st.binary(max_size=50),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["issue", "entry", "response", "outcome"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_an_answer_of_any_form_is_read_without_failing(content: bytes) -> None:
    assert isinstance(read_outcome(content) + failed_entries(content), str)

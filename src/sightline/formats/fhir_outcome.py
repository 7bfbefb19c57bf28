"""What a FHIR server says went wrong: OperationOutcome, and the answer to a transaction."""

import json
from typing import Any, TypeAlias

Resource: TypeAlias = dict[str, Any]


def read_outcome(content: bytes) -> str:
    """Return what an OperationOutcome says is wrong; empty where there is none."""
    return "; ".join(filter(None, _issues(_read(content))))


def failed_entries(content: bytes) -> str:
    """Return what the Bundle that answers a transaction says failed; empty where nothing did.

    A server does all of a transaction or nothing, but not every server.
    """
    answers = [each.get("response") for each in _objects(_read(content), "entry")]
    failed = [
        f"{answer['status']} {'; '.join(_issues(answer.get('outcome')))}".strip()
        for answer in answers
        if isinstance(answer, dict) and str(answer.get("status"))[:1] in {"4", "5"}
    ]
    return "; ".join(failed)


def _read(content: bytes) -> Resource:
    try:
        root = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return root if isinstance(root, dict) else {}


def _objects(holder: object, name: str) -> list[Resource]:
    """Return the objects of a list in JSON that anybody may have written."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _issues(outcome: object) -> list[str]:
    """Return the texts of an OperationOutcome, of errors alone where it has some."""
    issues = _objects(outcome, "issue")
    grave = [each for each in issues if each.get("severity") in {"fatal", "error"}]
    return [_words_of(each) for each in grave or issues]


def _words_of(issue: Resource) -> str:
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    return str(issue.get("diagnostics") or text or issue.get("code") or "")

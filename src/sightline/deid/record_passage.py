"""Orders, reports and values of a study through the door: each an instance of the study there.

What the archive keeps of them is no DICOM. The door cleans their text and writes a Basic Text SR of
its own, so that everything that holds for instances holds for them: certificate, digest, hub,
withdrawal, release. Their series and instance names are keyed, and stay when a report is corrected.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from sightline import log
from sightline.archive.clinical import KeptRecord
from sightline.deid.attributes import sequence_tags
from sightline.deid.contract import context_of
from sightline.deid.dataset import read_file, write_dataset
from sightline.deid.door import put_together
from sightline.deid.known_identifiers import KnownIdentifiers, known_of_elements
from sightline.deid.marks import mark
from sightline.deid.profile import Profile
from sightline.deid.reports import deidentify_report, moved_date
from sightline.deid.vault import Vault
from sightline.errors import DamagedObject, NotDicom, UnknownName
from sightline.formats.dicom_file import part10
from sightline.formats.dicom_text import charset_of
from sightline.formats.text_sr import BASIC_TEXT_SR_STORAGE, write_text_sr
from sightline.values.identity import HubInstanceUid, HubSeriesUid, StudyUid
from sightline.values.report import DeidentifiedReport
from sightline.values.study import DeidentifiedInstance, DeidentifiedStudy, IdentifiedStudy

_log = log.get("deid")
_CHARACTER_SET = 0x00080005
_MOST_SERIES = 20

RETRACTED = frozenset(
    {
        # HL7 tables 0123 and 0085: no result, deleted, wrong; 0119: an order that was cancelled.
        *("X", "D", "W", "CA", "OC", "CR", "DC", "OD"),
        # FHIR R4.
        *("cancelled", "entered-in-error", "revoked"),
    }
)
"""What a sender calls a record that it takes back."""


def pass_records(
    study: IdentifiedStudy,
    records: Sequence[KeptRecord],
    known: KnownIdentifiers,
    *,
    vault: Vault,
    profile: Profile,
) -> DeidentifiedStudy | None:
    """Return what leaves of the records of a study, as instances of it; None where nothing does.

    Nothing leaves where the profile lets no free text pass, of a patient without an id, of a
    record that its sender took back, and of one that says nothing.

    Args:
        study: what they are tied to.
        records: as the archive keeps them.
        known: what the records know of the patient besides the images.
        vault: gives the names.
        profile: says what may leave.
    """
    if not profile.free_text or not study.patient.patient_id.strip():
        return None
    known = known.joined(*_said_by_images(study))
    counts: Counter[str] = Counter()
    passed = []
    for each in records:
        report = deidentify_report(
            each.record, study.patient, known, vault=vault, profile=profile, study_uid=study.uid
        )
        if each.record.status in RETRACTED or not (report.title or report.text):
            continue
        counts[f"{report.kind}_cleaned"] += 1
        counts.update({f"text_{kind}_replaced": n for kind, n in report.replaced.items()})
        passed.append(_instance(each, report, study, vault=vault, profile=profile))
    _log.info("records_at_door", study=vault.uid(study.uid), passed=len(passed))
    if not passed:
        return None
    context = context_of(study.patient, vault, profile)
    return put_together(study, passed, context=context, counts=counts, held=())


def series_of_records(study_uid: StudyUid, vault: Vault) -> HubSeriesUid:
    """Return the series of the hub that holds the records of a study."""
    return HubSeriesUid(vault.uid(f"{study_uid}/records"))


def _said_by_images(study: IdentifiedStudy) -> Iterator[KnownIdentifiers]:
    """Give what one instance of each series says: who read, performed and asked for it."""
    firsts = {each.series_uid: each for each in reversed(study.instances)}
    for instance in list(firsts.values())[:_MOST_SERIES]:
        try:
            elements = read_file(instance.read(), sequence_tags()).elements
        except (DamagedObject, NotDicom, UnknownName) as error:
            # The door says of the instance itself that it is held, and why.
            _log.warning("instance_not_searched", why=type(error).__name__)
            continue
        named = elements.get(_CHARACTER_SET)
        yield known_of_elements(elements, charset_of(bytes(named.value) if named else b""))


def _instance(
    kept: KeptRecord,
    report: DeidentifiedReport,
    study: IdentifiedStudy,
    *,
    vault: Vault,
    profile: Profile,
) -> DeidentifiedInstance:
    series_uid = series_of_records(study.uid, vault)
    # What its sender calls it stays when it is corrected.
    record = kept.record
    own_name = f"{kept.sender}\n{record.kind}\n{record.source_key}"
    uid = HubInstanceUid(vault.uid(f"{study.uid}/records/{own_name}"))
    days = context_of(study.patient, vault, profile).offset_days
    written = write_text_sr(
        report,
        instance_uid=uid,
        series_uid=series_uid,
        study_date=moved_date(study.date, days),
    )
    parsed = read_file(written, sequence_tags())
    marked = mark(parsed.elements, report.subject_id, profile, shows_face=None)
    content = part10(
        *write_dataset(marked, parsed.transfer_syntax_uid),
        sop_class_uid=BASIC_TEXT_SR_STORAGE,
        sop_instance_uid=uid,
        transfer_syntax_uid=parsed.transfer_syntax_uid,
    )
    return DeidentifiedInstance(
        uid=uid, series_uid=series_uid, sop_class_uid=BASIC_TEXT_SR_STORAGE, content=content
    )

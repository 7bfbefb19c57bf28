"""Everything Sightline raises on purpose.

SightlineError
├── BadSettings            a setting or the data directory cannot be used
├── MissingExtra           an optional extra is not installed
├── UnknownName            nothing is registered or stored under that name
├── NameTaken              two things claim one name
├── BadFile                bytes are not what they claim to be
│   ├── NotDicom           not a DICOM file, or a broken one
│   ├── BeyondLimits       handling them died, or wanted too much memory or time
│   ├── UnsoundSeries      a series that is no volume: says why
│   └── BadMessage         an HL7 message, FHIR bundle or table that cannot be read
├── BadRecipe              a recipe does not validate
├── Refused                a rule forbids what was asked
│   ├── Held               the door keeps a study in quarantine
│   ├── KeyDestroyed       the key of the hub was destroyed on purpose
│   ├── MixedPatients      the images of one series are not of one patient, the study's
│   ├── StudyChanged       a study is no more what was predicted on
│   ├── GateFailed         a model did not reach its release gate
│   └── LockedSplit        the test split was asked for in training
├── ConflictingInstance    one SOP Instance UID with two contents
├── DamagedObject          stored bytes no longer match their digest
├── MissingDevice          the GPU that was asked for is not there
├── NotKept                what a run made could not be written; what it had kept stands
└── PeerFailed             another system refused, failed or cannot be reached
"""


class SightlineError(Exception):
    """What went wrong, and what to do about it.

    Neither text ever holds patient data.

    Attributes:
        problem: what is wrong, with the offending value.
        hint: what the reader can do now.
    """

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n  hint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.problem, self.hint))


def _rebuild(kind: type[SightlineError], problem: str, hint: str) -> SightlineError:
    return kind(problem, hint=hint)


class BadSettings(SightlineError):
    """A setting or the data directory cannot be used."""


class MissingExtra(SightlineError):
    """An optional extra is not installed."""


class UnknownName(SightlineError):
    """Nothing is registered or stored under that name."""


class NameTaken(SightlineError):
    """Two things claim one name."""


class BadFile(SightlineError):
    """Bytes are not what they claim to be."""


class NotDicom(BadFile):
    """Not a DICOM file, or a broken one."""


class BeyondLimits(BadFile):
    """Handling the bytes died, or wanted more memory or time than it may have."""


class UnsoundSeries(BadFile):
    """A series that cannot be one volume; the problem says why."""


class BadMessage(BadFile):
    """An HL7 message, FHIR bundle or table that cannot be read."""


class BadRecipe(SightlineError):
    """A recipe does not validate."""


class Refused(SightlineError):
    """A rule forbids what was asked."""


class Held(Refused):
    """The door keeps a study in quarantine."""


class KeyDestroyed(Refused):
    """The key of the hub was destroyed on purpose."""


class MixedPatients(Refused):
    """The images of one series are not of one patient, the study's."""


class StudyChanged(Refused):
    """A study is no more what was predicted on."""


class GateFailed(Refused):
    """A model did not reach its release gate."""


class LockedSplit(Refused):
    """The locked test split was asked for in training."""


class ConflictingInstance(SightlineError):
    """One SOP Instance UID arrived with two contents; both are kept."""


class DamagedObject(SightlineError):
    """Stored bytes no longer match their digest."""


class MissingDevice(SightlineError):
    """The accelerator that was asked for is not there."""


class NotKept(SightlineError):
    """What a run made could not be written; what it had kept before stands."""


class PeerFailed(SightlineError):
    """Another system refused, failed or cannot be reached."""

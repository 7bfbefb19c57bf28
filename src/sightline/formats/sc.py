"""Secondary Capture: pictures of a finding, for viewers that show nothing else of ours."""

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from sightline.formats.result_object import (
    MANUFACTURER,
    RESEARCH_ONLY,
    Sources,
    equipment,
    software_version,
    to_bytes,
)
from sightline.values.result import ResultIdentity

_SEVERAL = 4


def write_sc(
    picture: npt.NDArray[np.uint8], sources: Sources, *, identity: ResultIdentity
) -> bytes:
    """Write RGB pictures as Secondary Capture.

    Args:
        picture: (rows, columns, 3), or (frames, rows, columns, 3) for a multi-frame object; with
            `RESEARCH USE ONLY` drawn into it where that holds.
        sources: the images that it shows.
        identity: names the object and what made it.
    """
    dataset = pydicom.Dataset()
    is_multi_frame = picture.ndim == _SEVERAL
    kind = (
        MultiFrameTrueColorSecondaryCaptureImageStorage
        if is_multi_frame
        else SecondaryCaptureImageStorage
    )
    _describe(dataset, sources, identity, kind=kind)
    if is_multi_frame:
        # PS3.3 C.8.6.3: frames are pages of a report, not points in time.
        dataset.NumberOfFrames = len(picture)
        dataset.FrameIncrementPointer = 0x00182001
        dataset.PageNumberVector = list(range(1, len(picture) + 1))
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = picture.shape[-3:-1]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    pixels = np.ascontiguousarray(picture).tobytes()
    dataset.add_new("PixelData", "OB", pixels + bytes(len(pixels) % 2))
    return to_bytes(dataset, sources, identity)


def _describe(
    dataset: pydicom.Dataset, sources: Sources, identity: ResultIdentity, *, kind: UID
) -> None:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(identity.instance_uid)
    dataset.SOPClassUID = kind
    dataset.SOPInstanceUID = identity.instance_uid
    dataset.StudyInstanceUID = sources.header.study_uid
    dataset.SeriesInstanceUID = identity.series_uid
    dataset.SeriesNumber = identity.series_number
    dataset.InstanceNumber = 1
    dataset.Modality = "OT"
    # Neither is known of a drawing, and both must be there, empty (Type 2C).
    dataset.Laterality = ""
    dataset.PatientOrientation = ""
    dataset.ConversionType = "WSD"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = identity.author
    dataset.SoftwareVersions = identity.model_version or software_version()
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ContentDate = dataset.InstanceCreationDate = ""
    dataset.BurnedInAnnotation = "NO"
    if identity.is_research_only:
        dataset.ImageComments = RESEARCH_ONLY
    dataset.SourceImageSequence = [_reference(image) for image in sources.images]
    dataset.ContributingEquipmentSequence = [equipment(identity)]


def _reference(image: pydicom.Dataset) -> pydicom.Dataset:
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return reference

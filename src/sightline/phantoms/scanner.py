"""Two made-up CT scanners that differ as real ones do, so that models meet a change of site."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scanner:
    """How a CT scanner turns a body into numbers.

    Attributes:
        kernel: its name, as the DICOM header gives it.
        softness: how often the image is smoothed; a soft kernel blurs edges and noise alike.
        noise_hu: standard deviation in the middle of the body.
        hu_offset: what its calibration is off by.
        field_of_view_mm: width of the image.
        slice_spacing_mm: distance between slices.
        rescale_intercept: of the stored integers.
    """

    manufacturer: str
    model: str
    institution: str
    station: str
    kernel: str
    softness: int
    noise_hu: float
    hu_offset: float
    field_of_view_mm: float
    slice_spacing_mm: float
    rescale_intercept: int


AURORA = Scanner(
    manufacturer="Phantom Works A",
    model="Aurora 64",
    institution="North Fictional Hospital",
    station="AURORA1",
    kernel="SOFT",
    softness=2,
    noise_hu=14.0,
    hu_offset=0.0,
    field_of_view_mm=384.0,
    slice_spacing_mm=3.0,
    rescale_intercept=-1024,
)
BOREAS = Scanner(
    manufacturer="Phantom Works B",
    model="Boreas XR",
    institution="South Fictional Clinic",
    station="BOREAS2",
    kernel="SHARP",
    softness=0,
    noise_hu=38.0,
    hu_offset=9.0,
    field_of_view_mm=400.0,
    slice_spacing_mm=3.5,
    rescale_intercept=0,
)
SITES = {"a": AURORA, "b": BOREAS}

"""Pictures as scanners and consoles make them, without text: what text may be drawn into.

Values run from 0 to 1 and are shown as they are: 0 is black.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Plane = npt.NDArray[np.float32]
Draw = np.random.Generator


def smooth_noise(rng: Draw, shape: tuple[int, int], grain: int) -> Plane:
    """Noise whose grains are about `grain` pixels wide, 0 to 1."""
    rows, columns = shape
    small = rng.random((max(rows // grain, 2), max(columns // grain, 2)), dtype=np.float32)
    picture = Image.fromarray(small).resize((columns, rows), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(picture, dtype=np.float32), 0, 1)


def ultrasound(rng: Draw, shape: tuple[int, int]) -> Plane:
    """A sector of speckle on black, with what a console draws around it."""
    rows, columns = shape
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    apex, centre = rows * rng.uniform(-0.15, 0.1), columns * rng.uniform(0.4, 0.6)
    radius = np.hypot(y - apex, x - centre)
    angle = np.abs(np.arctan2(x - centre, y - apex))
    inside = (angle < rng.uniform(0.4, 0.8)) & (radius < rows * rng.uniform(0.75, 0.95))
    inside &= radius > rows * 0.12
    speckle = rng.rayleigh(0.35, shape).astype(np.float32)
    tissue = smooth_noise(rng, shape, int(rng.integers(20, 60)))
    plane = np.where(inside, np.clip(_blur(speckle * tissue, 1.0), 0, 0.85), 0)
    pen = _Pen(plane)
    pen.grey_bar(rng)
    if rng.random() < 0.7:
        pen.ruler(rng)
    if rng.random() < 0.5:
        pen.curve(rng)
    if rng.random() < 0.5:
        pen.marks(rng, int(rng.integers(1, 4)))
    return pen.plane()


def radiograph(rng: Draw, shape: tuple[int, int]) -> Plane:
    """A chest of ellipses with ribs, gradients, film noise and a collimated edge."""
    rows, columns = shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)
    plane = 0.75 - 0.35 * y * rng.uniform(-1, 1) - 0.25 * np.hypot(x, y)
    for side in (-1, 1):
        lung = ((x - side * 0.42) / 0.33) ** 2 + ((y + 0.05) / 0.68) ** 2
        plane -= 0.4 * np.clip(1 - lung, 0, 0.5)
    for rib in np.linspace(-0.8, 0.6, int(rng.integers(6, 10))):
        plane += 0.07 * np.exp(-(((y - rib - 0.35 * x**2) / 0.02) ** 2))
    plane += 0.25 * np.exp(-((x / rng.uniform(0.06, 0.12)) ** 2))
    plane = _blur(plane, 1.5) + rng.normal(0, rng.uniform(0.005, 0.03), shape)
    if rng.random() < 0.6:
        edge = int(rng.integers(8, max(rows // 8, 9)))
        plane[:edge] = plane[-edge:] = 0
        plane[:, :edge] = plane[:, -edge:] = 0
    pen = _Pen(np.clip(plane, 0, 0.9).astype(np.float32))
    if rng.random() < 0.3:
        pen.marks(rng, int(rng.integers(1, 3)))
    if rng.random() < 0.2:
        pen.ruler(rng)
    return pen.plane()


def angiogram(rng: Draw, shape: tuple[int, int]) -> Plane:
    """Dark vessels on a grey field within a round aperture."""
    rows, columns = shape
    picture = Image.new("L", (columns, rows), 150)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(3, 8))):
        path = [(float(rng.uniform(0, columns)), float(rng.uniform(0, rows)))]
        heading = rng.uniform(0, 6.28)
        for _ in range(40):
            heading += rng.normal(0, 0.25)
            last = path[-1]
            path.append((last[0] + 12 * np.cos(heading), last[1] + 12 * np.sin(heading)))
        draw.line(
            path, fill=int(rng.integers(50, 110)), width=int(rng.integers(2, 9)), joint="curve"
        )
    plane = _blur(np.asarray(picture, dtype=np.float32) / 255, 1.2)
    plane *= 0.7 + 0.5 * smooth_noise(rng, shape, 80)
    plane += rng.normal(0, 0.03, shape).astype(np.float32)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    plane[np.hypot(y, x) > rng.uniform(0.95, 1.2)] = 0
    return np.clip(plane, 0, 0.9).astype(np.float32)


def slice_view(rng: Draw, shape: tuple[int, int]) -> Plane:
    """A slice through a body of ellipses, with the noise of CT or MR, and rulers beside it."""
    rows, columns = shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)
    plane = np.zeros(shape, np.float32)
    plane[(x / 0.8) ** 2 + (y / 0.62) ** 2 < 1] = rng.uniform(0.35, 0.5)
    for _ in range(int(rng.integers(4, 12))):
        cx, cy = rng.uniform(-0.5, 0.5, 2)
        a, b = rng.uniform(0.04, 0.25, 2)
        plane[((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1] = rng.uniform(0.05, 0.8)
    plane = _blur(plane, 0.8) + rng.normal(0, rng.uniform(0.005, 0.05), shape)
    pen = _Pen(np.clip(plane, 0, 0.9).astype(np.float32))
    if rng.random() < 0.6:
        pen.ruler(rng)
    if rng.random() < 0.3:
        pen.marks(rng, 2)
    if rng.random() < 0.2:
        pen.grid(rng)
    return pen.plane()


def screen(rng: Draw, shape: tuple[int, int]) -> Plane:
    """A saved screen: panels, a grid, curves, bars, buttons without names."""
    plane = np.full(shape, rng.uniform(0.02, 0.3), np.float32)
    pen = _Pen(plane)
    pen.panels(rng)
    if rng.random() < 0.6:
        pen.grid(rng)
    for _ in range(int(rng.integers(1, 4))):
        pen.curve(rng)
    if rng.random() < 0.5:
        pen.bars(rng)
    pen.grey_bar(rng)
    if rng.random() < 0.5:
        pen.ruler(rng)
    pen.marks(rng, int(rng.integers(0, 4)))
    return pen.plane()


BACKGROUNDS: dict[str, Callable[[Draw, tuple[int, int]], Plane]] = {
    "US": ultrasound,
    "CR": radiograph,
    "XA": angiogram,
    "SC": screen,
    "CT": slice_view,
}


class _Pen:
    """Draws on a plane what is no text."""

    def __init__(self, plane: Plane) -> None:
        self._picture = Image.fromarray((np.clip(plane, 0, 1) * 255).astype(np.uint8))
        self._draw = ImageDraw.Draw(self._picture)
        self._columns, self._rows = self._picture.size

    def plane(self) -> Plane:
        return np.asarray(self._picture, dtype=np.float32) / 255

    def ruler(self, rng: Draw) -> None:
        step, grey = int(rng.integers(6, 30)), int(rng.integers(150, 256))
        upright = rng.random() < 0.7
        at = int(rng.choice([8, (self._columns if upright else self._rows) - 24]))
        length = (self._rows if upright else self._columns) * 0.9
        for number, along in enumerate(np.arange(length * 0.1, length, step)):
            tick = 12 if number % 5 == 0 else 6
            ends = [(at, along), (at + tick, along)]
            self._draw.line(ends if upright else [(y, x) for x, y in ends], fill=grey)
        if rng.random() < 0.5:
            spine = [(at, length * 0.1), (at, length)]
            self._draw.line(spine if upright else [(y, x) for x, y in spine], fill=grey)

    def curve(self, rng: Draw) -> None:
        """A curve like an electrocardiogram."""
        x = np.arange(0, self._columns, 2)
        phase = (x / self._columns * rng.uniform(3, 9) + rng.random()) % 1
        wave = 0.15 * np.sin(phase * 6.28) + np.exp(-(((phase - 0.4) / 0.02) ** 2))
        base, high = self._rows * rng.uniform(0.5, 0.97), self._rows * rng.uniform(0.03, 0.2)
        points = [(float(a), float(b)) for a, b in zip(x, base - high * wave, strict=True)]
        self._draw.line(points, fill=int(rng.integers(140, 256)), width=int(rng.integers(1, 3)))

    def grid(self, rng: Draw) -> None:
        step, grey = int(rng.integers(16, 64)), int(rng.integers(60, 200))
        for along in range(step // 2, self._columns, step):
            self._draw.line([(along, 0), (along, self._rows)], fill=grey)
        for along in range(step // 2, self._rows, step):
            self._draw.line([(0, along), (self._columns, along)], fill=grey)

    def marks(self, rng: Draw, count: int) -> None:
        """Callipers, arrows, circles, dotted lines."""
        for _ in range(count):
            x = float(rng.uniform(20, self._columns - 20))
            y = float(rng.uniform(20, self._rows - 20))
            size, grey = float(rng.uniform(4, 12)), int(rng.integers(180, 256))
            shape = rng.integers(0, 4)
            if shape == 0:
                self._draw.line([(x - size, y), (x + size, y)], fill=grey)
                self._draw.line([(x, y - size), (x, y + size)], fill=grey)
            elif shape == 1:
                tip = (x + 4 * size, y + 2 * size)
                self._draw.line([(x, y), tip], fill=grey, width=2)
                self._draw.polygon([tip, (tip[0] - 8, tip[1]), (tip[0], tip[1] - 8)], fill=grey)
            elif shape == 2:
                self._draw.ellipse([x - size, y - size, x + size, y + size], outline=grey)
            else:
                for dot in range(0, 80, 6):
                    self._draw.point([(x + dot, y + dot / 2), (x + dot + 1, y + dot / 2)], grey)

    def panels(self, rng: Draw) -> None:
        for _ in range(int(rng.integers(2, 7))):
            x, y = rng.uniform(0, self._columns * 0.8), rng.uniform(0, self._rows * 0.8)
            corner = (x + rng.uniform(20, self._columns / 2), y + rng.uniform(16, self._rows / 2))
            self._draw.rectangle(
                [(x, y), corner],
                fill=int(rng.integers(10, 120)),
                outline=int(rng.integers(90, 220)),
            )

    def bars(self, rng: Draw) -> None:
        x, base = self._columns * 0.55, self._rows * 0.9
        for _ in range(int(rng.integers(4, 10))):
            top = base - rng.uniform(5, self._rows * 0.3)
            self._draw.rectangle([(x, top), (x + 9, base)], fill=int(rng.integers(100, 256)))
            x += 14

    def grey_bar(self, rng: Draw) -> None:
        x, width = self._columns - int(rng.integers(14, 40)), int(rng.integers(6, 12))
        top, high = int(self._rows * 0.2), int(self._rows * 0.4)
        for row in range(high):
            grey = 255 - row * 255 // high
            self._draw.line([(x, top + row), (x + width, top + row)], fill=grey)


def _blur(plane: npt.NDArray[np.floating], radius: float) -> Plane:
    low, high = float(plane.min()), float(plane.max())
    scaled = (plane - low) / max(high - low, 1e-6) * 255
    picture = Image.fromarray(scaled.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(picture, dtype=np.float32) / 255 * (high - low) + low

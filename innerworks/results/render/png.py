"""A small palette PNG written by hand, for grids with too many cells to be drawn one by one."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

from innerworks.results.arrays import AnyArray

__all__ = ["heat_png", "png_data_uri"]

# Mid-toned poles that read on a light and on a dark page, since the picture is made once for both.
_POSITIVE = (38, 110, 184)
_NEGATIVE = (200, 92, 28)
_NOT_A_NUMBER = (128, 128, 128)
_STEPS = 126
_NAN_INDEX = 2 * _STEPS + 1
_HATCH_CELL = 4
_HATCH_UP_TO = 200_000


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _palette() -> tuple[bytes, bytes]:
    """Colours and opacities: 0 is zero, then the positive steps, the negative steps, and NaN."""
    colours = [_POSITIVE] * (_STEPS + 1) + [_NEGATIVE] * _STEPS + [_NOT_A_NUMBER]
    ramp = [round(255 * step / _STEPS) for step in range(_STEPS + 1)]
    return bytes(part for colour in colours for part in colour), bytes([*ramp, *ramp[1:], 150])


def heat_png(strengths: AnyArray) -> bytes:
    """A PNG of strengths in -1…1, one pixel per cell; NaN hatched where there is room for it, else grey."""
    steps = np.rint(np.nan_to_num(np.abs(strengths)) * _STEPS).astype(np.int64)
    indices = np.where((strengths < 0) & (steps > 0), steps + _STEPS, steps)
    missing = np.isnan(strengths)
    if missing.any() and strengths.size <= _HATCH_UP_TO:
        indices = np.kron(indices, np.ones((_HATCH_CELL, _HATCH_CELL), dtype=np.int64))
        missing = np.kron(missing, np.eye(_HATCH_CELL, dtype=bool)[::-1])
    indices = np.where(missing, _NAN_INDEX, indices).astype(np.uint8)
    return _encode(indices)


def _encode(indices: npt.NDArray[np.uint8]) -> bytes:
    height, width = indices.shape
    colours, opacities = _palette()
    unfiltered = np.zeros((height, width + 1), dtype=np.uint8)
    unfiltered[:, 1:] = indices
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", colours),
            _chunk(b"tRNS", opacities),
            _chunk(b"IDAT", zlib.compress(unfiltered.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def png_data_uri(png: bytes) -> str:
    """The picture as a URI that needs no other file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")

"""Peak memory of a piece of code, above what its process had before."""

from __future__ import annotations

import subprocess
import sys

_MEASURED = """
import sys, torch
import innerworks as iw
from innerworks import at
def resident(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))
{before}
held = resident("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
{measured}
print(resident("VmHWM") - held, {also})
"""


def peak(before: str, measured: str, also: str = "0") -> tuple[int, int]:
    """The peak in bytes while `measured` runs, in a process of its own; and what `also` gives behind it."""
    code = _MEASURED.format(before=before, measured=measured, also=also)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return int(out[0]), int(out[1])

"""How much memory this process holds, and how much it held at most since a moment, as the kernel counts resident pages."""

from __future__ import annotations

import resource
from pathlib import Path

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def resident() -> float:
    """MiB of this process that lie in memory now."""
    return _told("VmRSS")


def peak() -> float:
    """MiB of this process that lay in memory at most since ``forget``, else since it began."""
    return _told("VmHWM")


def forget() -> None:
    """Begin to count anew (proc(5), clear_refs); where the kernel has no such file the peak is that of the whole process."""
    if FORGET.exists():
        FORGET.write_text("5")


def _told(name: str) -> float:
    """A line of the status; where a kernel leaves it out, the most there ever was, which every system knows."""
    found = [int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return (found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024

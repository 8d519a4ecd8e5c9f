"""The machine's boot: its id, and a clock that counts from it and that nobody can set.

Node and watchdog compare times by this clock alone. The wall clock may jump by hours, and an
earlier boot's times mean nothing, so every time that one process leaves for another names its boot.
"""

import time
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot. `started_s`: when it began, by the kernel's clock; 0 on a machine of its own."""

    boot_id: str
    started_s: float = 0.0

    def now_s(self) -> float:
        """Seconds since the boot; time in which the machine was suspended counts."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.started_s


def current() -> Boot:
    """The boot of the machine that this process runs on."""
    return Boot(_BOOT_ID.read_text("ascii").strip())


def simulated(text: str) -> Boot:
    """Read `ID@SECONDS`: a boot that a stand-in for a machine began at that time of the kernel's.

    Raises:
        ValueError
    """
    boot_id, _, seconds = text.rpartition("@")
    if not boot_id:
        raise ValueError("a boot is ID@SECONDS")
    return Boot(boot_id, float(seconds))

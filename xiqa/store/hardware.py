"""Device and thread cap of this process."""

import ctypes
import os


def device_kind(kind: str | None = None) -> str:
    """``cpu`` or ``cuda``; ``auto`` is cuda where a driver sees a GPU. By default that of ``XIQA_DEVICE``, or auto."""
    kind = kind or os.environ.get("XIQA_DEVICE", "auto")
    if kind != "auto":
        return kind
    try:
        driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)  # torch is not needed
    except OSError:
        return "cpu"
    has_gpu = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    return "cuda" if has_gpu else "cpu"


def thread_cap() -> int:
    """Threads of a process: ``XIQA_THREADS``, by default one, since their number changes the last digits of a sum."""
    return int(os.environ.get("XIQA_THREADS", 1))

"""Device and thread cap of this process."""

import ctypes
import os


def device_kind(wish: str | None = None) -> str:
    """``cpu`` or ``cuda``; ``auto`` is cuda where a driver sees a GPU. By default that of ``XIQA_DEVICE``, or auto."""
    wish = wish or os.environ.get("XIQA_DEVICE", "auto")
    if wish != "auto":
        return wish
    try:
        driver, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0)  # torch is not needed
    except OSError:
        return "cpu"
    has_gpu = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    return "cuda" if has_gpu else "cpu"


def thread_cap() -> int:
    """Threads of a process: ``XIQA_THREADS``, by default one.

    The number of threads changes the last digits of every sum, so it is a setting and does not follow the machine.
    """
    return int(os.environ.get("XIQA_THREADS", 1))


def memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

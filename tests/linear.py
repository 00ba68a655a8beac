"""Time of the processor, not of the clock: what else runs beside the tests must not count."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable


def of_children() -> float:
    """Processor seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(work: Callable[[str], object], text: str, repeat: int = 1) -> float:
    """Processor seconds of one call; passes of the garbage collector over the suite's own objects don't count."""
    gc.collect(0)
    gc.disable()
    try:
        start = time.process_time()
        for _ in range(repeat):
            work(text)
        return (time.process_time() - start) / repeat
    finally:
        gc.enable()


def assert_linear(work: Callable[[str], object], unit: str, within: float = 2, prefix: str = "") -> None:
    """Ten times the text takes at most fifteen times as long; 20 and 200 kB, the latter within so many seconds."""
    short, long = (prefix + (unit * (size // len(unit) + 1))[:size] for size in (20_000, 200_000))
    tries = []
    for _ in range(6):
        # both sides take equally long, so that a busy machine slows both; the best of several pairs counts
        tries.append((seconds(work, long), seconds(work, short, 10)))
        took, once = tries[-1]
        # quadratic work on 200 kB takes seconds; below 50 ms the ratio is noise of the clock
        if took < within and (took < 0.05 or took <= 15 * once):
            return
    raise AssertionError(f"200 kB and 20 kB of {unit!r} took, in seconds: {tries}")

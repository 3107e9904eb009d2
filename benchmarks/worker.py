"""The process a contestant runs in: it prepares once, and answers each count on its input with one line of JSON."""

from __future__ import annotations

import gc
import importlib
import json
import sys
from pathlib import Path
from time import perf_counter

STATUS = Path("/proc/self/status")
FORGET_PEAK = "5"


def memory() -> tuple[int, int]:
    """Bytes of this process in memory, now and at their peak."""
    if STATUS.exists():
        kilobytes = {line.split(":")[0]: line.split()[1] for line in STATUS.read_text().splitlines() if "kB" in line}
        return int(kilobytes["VmRSS"]) * 1024, int(kilobytes["VmHWM"]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak, peak


def forget_peak() -> None:
    """Let the peak count from here, so that a peak while importing is nobody's training step."""
    try:
        Path("/proc/self/clear_refs").write_text(FORGET_PEAK)
    except OSError:
        return


def main(contestant: str, *arguments: str) -> None:
    """Prepare the contestant and serve runs of it until the input ends."""
    module, _, name = contestant.partition(":")
    run = getattr(importlib.import_module(module), name)(*arguments)
    for line in sys.stdin:
        forget_peak()
        before, _ = memory()
        start = perf_counter()
        value = run(int(line))
        seconds = perf_counter() - start
        peak = memory()[1]
        if not gc.isenabled():
            gc.collect()  # outside the time: what the collector would have done must not fill the memory either
        print(json.dumps({"seconds": seconds, "value": value, "before": before, "peak": peak}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

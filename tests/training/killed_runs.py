"""Begins or resumes a run in a process of its own, kills that process at a random instant, and does so again and again.

Called by ``test_resume.py`` with a folder and a number of kills; prints where the checkpoint stood after each. A fork
starts in a moment, so that twenty fit into a quick test.
"""

import importlib.util
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from chainrule.training import load_checkpoint


def main(folder: Path, kills: int) -> None:
    spec = importlib.util.spec_from_file_location("resumed", Path(__file__).with_name("test_resume.py"))
    resumed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(resumed)
    import safetensors.numpy  # noqa: F401 - so that no fork spends its short life importing

    checkpoint = folder / "run.safetensors"
    instants = random.Random(os.getpid())
    positions = []
    while len(positions) < kills:
        child = os.fork()
        if child == 0:
            resumed.run(folder, epochs=resumed.MANY)
            os._exit(0)
        if killed(child, checkpoint, saves=instants.randint(0, 6), delay=instants.uniform(0.0, 0.02)):
            positions.append(str(load_checkpoint(checkpoint).position) if checkpoint.exists() else "none")
        else:
            checkpoint.unlink()
    print(json.dumps({"kills": len(positions), "positions": positions}))


def killed(child: int, checkpoint: Path, saves: int, delay: float) -> bool:
    """Let a process save some times, so that it gets on however slow the machine, and a moment later kill it."""
    seen = {at(checkpoint)}
    while len(seen) <= saves:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, f"a run broke off by itself: {status}"
            return False
        seen.add(at(checkpoint))
        time.sleep(0.0005)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def at(checkpoint: Path) -> tuple[int, int]:
    """Which file the checkpoint is now."""
    try:
        found = checkpoint.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

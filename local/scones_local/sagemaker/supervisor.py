"""Runs a container's process and ends it with all its children when the cloud's process is gone.

Started as ``python supervisor.py PARENT COMMAND…`` in a process group of its own. SIGTERM goes
to the container's first process only, as an engine sends it; the exit status is the one an engine
reports, 128 + N for signal N. Watching the parent's id works on Linux and macOS alike, and also
where the parent was killed with SIGKILL.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

_POLL_SECONDS = 0.5


def main(parent: int, command: list[str]) -> int:
    """Run the command until it ends or the process ``parent`` is no longer our parent."""
    asked_to_stop: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def forward(signum: int, _: FrameType | None) -> None:
        asked_to_stop.append(signum)
        if child is not None:
            child.send_signal(signum)

    signal.signal(signal.SIGTERM, forward)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    child = subprocess.Popen(command)  # noqa: S603  the commands are the host's own
    if asked_to_stop:
        child.send_signal(signal.SIGTERM)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

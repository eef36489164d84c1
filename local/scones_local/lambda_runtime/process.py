"""The process of one Lambda execution environment: AWS's runtime client, tied to the server's life.

Started as ``python process.py LIFELINE HANDLER [DEBUGPY PORT REQUEST]``, where LIFELINE is the
read end of a pipe whose other end only the server holds. With the last three it waits for a
debugger at PORT before it imports the handler, as long as somebody holds the file REQUEST locked;
DEBUGPY is the folder that debugpy is imported from.
"""

import fcntl
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.2
_LISTEN_SECONDS = 10.0


def _die_with_server(lifeline: int) -> None:
    """Kill this process and its children once the server is gone, however it went."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _report_under_path() -> None:
    """Let errors of the start go to the path that follows host and port, as all else does."""
    from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient  # noqa: PLC0415

    call = BaseLambdaRuntimeClient.call_rapid

    def call_under_path(client: Any, method: str, endpoint: str, *rest: Any) -> Any:
        host, slash, path = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
        client.lambda_runtime_address = host
        return call(client, method, f"{slash}{path}{endpoint}", *rest)

    BaseLambdaRuntimeClient.call_rapid = call_under_path


def _wait_for_debugger(folder: str, port: int, request: Path) -> None:
    """Listen on loopback, and wait until a debugger is attached or nobody asks for it any more."""
    sys.path.append(folder)
    import debugpy  # noqa: PLC0415

    debugpy.configure(subProcess=False)
    _listen(debugpy, port)
    waiting = request.with_suffix(".waiting")
    waiting.touch()

    waited = threading.Event()

    def give_up() -> None:
        while not waited.wait(_POLL_SECONDS):
            if not _is_requested(request):
                # Refused before the wait has begun, so it is repeated.
                with suppress(RuntimeError):
                    debugpy.wait_for_client.cancel()

    threading.Thread(target=give_up, daemon=True).start()
    debugpy.wait_for_client()
    waited.set()
    waiting.unlink(missing_ok=True)


def _listen(debugpy: Any, port: int) -> None:
    """Listen at the port, which the process before may just be leaving."""
    deadline = time.monotonic() + _LISTEN_SECONDS
    while True:
        try:
            debugpy.listen((_HOST, port))
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _is_requested(request: Path) -> bool:
    try:
        with request.open() as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def main() -> None:
    """Serve invocations until killed."""
    lifeline, handler, *debugger = sys.argv[1:]
    os.set_inheritable(int(lifeline), False)
    threading.Thread(target=_die_with_server, args=[int(lifeline)], daemon=True).start()
    if debugger:
        folder, port, request = debugger
        _wait_for_debugger(folder, int(port), Path(request))
    # Imported here: it exists in the function's runtime folder, and starts its client on import.
    from awslambdaric.__main__ import main as serve  # noqa: PLC0415

    _report_under_path()
    sys.argv = ["bootstrap", handler]
    serve(sys.argv)


if __name__ == "__main__":
    main()

"""The process of one Lambda execution environment: AWS's runtime client, tied to the server's life.

Started as ``python process.py LIFELINE HANDLER``, where LIFELINE is the read end of a
pipe whose other end only the server holds.
"""

import os
import signal
import sys
import threading
from typing import Any


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


def main() -> None:
    """Serve invocations until killed."""
    lifeline, handler = int(sys.argv[1]), sys.argv[2]
    os.set_inheritable(lifeline, False)
    threading.Thread(target=_die_with_server, args=[lifeline], daemon=True).start()
    # Imported here: it exists in the function's runtime folder, and starts its client on import.
    from awslambdaric.__main__ import main as serve  # noqa: PLC0415

    _report_under_path()
    sys.argv = ["bootstrap", handler]
    serve(sys.argv)


if __name__ == "__main__":
    main()

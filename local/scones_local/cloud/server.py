"""The process of the local cloud: ``python -m scones_local.cloud.server --state DIR [--port N]``.

It writes DIR/cloud.json when it answers requests, logs to DIR/cloud.log, and ends cleanly on
SIGTERM and SIGINT, or when its lifeline ends. `lifecycle` starts, finds and stops it.
"""

import argparse
import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from scones_local.cloud.state import StateError, StateFolder
from scones_local.imports import skip_iri_formats
from scones_local.ministack import ACCOUNT, HEALTH_PATH, REGION, settings
from scones_local.sagemaker import ContainerImage

HOST = "127.0.0.1"

# After this it ends, done or not: less than `scones_local.cloud.lifecycle` waits before it kills.
_STOP_SECONDS = 10.0
_SAVE_SECONDS = 60.0
_DRAIN_SECONDS = 2.0

_log = logging.getLogger("scones_local.cloud.server")


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)
    # What is written here is for this user only.
    os.umask(0o077)
    # Until there is a way to end in order, with what is in `finally` below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _watch_parent(options.lifeline)
    folder = StateFolder(options.state.resolve())
    try:
        _lock = folder.lock()
        listener = _listen(options.port) if options.port else _listen_for(folder)
        folder.clear()
    except (StateError, OSError) as error:
        sys.exit(f"The local cloud cannot start: {error}")
    status = 1
    try:
        _serve(listener, folder, lasting=options.lasting)
        status = 0
    except Exception:
        _log.exception("The local cloud failed")
    finally:
        _exit(folder, status)


def _exit(folder: StateFolder, status: int) -> None:
    """End now: threads of executions that still run would keep the interpreter alive."""
    try:
        folder.clear()
    except (OSError, StateError) as error:
        _log.warning("The state folder is left as it is: %s", error)
    logging.shutdown()
    os._exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scones_local.cloud.server", description=__doc__
    )
    parser.add_argument("--state", type=Path, required=True, help="folder all its state goes into")
    parser.add_argument("--port", type=int, default=0, help="loopback port, default: a free one")
    parser.add_argument("--lasting", action="store_true", help="what is stored can be kept")
    parser.add_argument("--lifeline", type=int, help="pipe that ends when it shall end")
    return parser


def _watch_parent(lifeline: int | None) -> None:
    """End as if told to when the pipe of whoever started this ends without a word."""
    if lifeline is None:
        return
    os.set_inheritable(lifeline, False)

    def wait() -> None:
        if not os.read(lifeline, 1):
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _listen_for(folder: StateFolder) -> socket.socket:
    """Listen at the port that what is kept was made with, or at a free one if nothing is."""
    port = folder.kept_port()
    if port is None:
        return _listen(0)
    try:
        return _listen(port)
    except OSError as error:
        raise OSError(f"{error}. What is kept needs this port: stop what uses it") from None


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise OSError(f"port {port}: {error.strerror}") from None
    # From here on connections wait until they are served.
    listener.listen(1024)
    return listener


def _serve(listener: socket.socket, folder: StateFolder, *, lasting: bool) -> None:
    port = listener.getsockname()[1]
    description = {
        "endpoint": f"http://{HOST}:{port}",
        "region": REGION,
        "account": ACCOUNT,
        "access_key": f"AKIA{secrets.token_hex(8).upper()}",
        "secret_key": secrets.token_urlsafe(30),
        "pid": os.getpid(),
    }
    keys = (str(description["access_key"]), str(description["secret_key"]))
    os.environ.update(settings(folder.path, port, *keys, lasting=lasting))
    tempfile.tempdir = None
    _log_to(folder.log)
    # Not asyncio.run: it would wait for the threads of executions that still run.
    asyncio.new_event_loop().run_until_complete(_run_server(listener, folder, description))


def _log_to(path: Path) -> None:
    """Send everything this process and its libraries print to `path`."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)


async def _run_server(
    listener: socket.socket, folder: StateFolder, description: dict[str, Any]
) -> None:
    skip_iri_formats()
    # MiniStack reads its settings when imported.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415

    from scones_local.ministack import app  # noqa: PLC0415

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    keys = (description["access_key"], description["secret_key"])
    ministack = app.create_app(folder.path, description["endpoint"], *keys, load_container_images())
    ministack.restore()
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    # A connection that is closed for being idle breaks the request that is on its way meanwhile.
    config.keep_alive_timeout = 24 * 3600
    config.graceful_timeout = 1
    config.accesslog = None
    finished = asyncio.Event()
    serving = asyncio.create_task(serve(ministack.app, config, shutdown_trigger=finished.wait))
    announcing = asyncio.create_task(asyncio.to_thread(_write_description, folder, description))
    try:
        stop_requested = asyncio.create_task(stopping.wait())
        await asyncio.wait({serving, stop_requested}, return_when=asyncio.FIRST_COMPLETED)
        threading.Thread(target=_exit_after_timeout, args=[folder], daemon=True).start()
        # Still answering: SageMaker uploads what it captured.
        await asyncio.to_thread(ministack.finish)
        finished.set()
        # A request may wait for an execution, and with it the server for ever.
        await asyncio.wait({serving}, timeout=_DRAIN_SECONDS)
        if serving.done():
            serving.result()
        if folder.kept_port() is not None:
            await asyncio.to_thread(ministack.save)
    finally:
        announcing.cancel()
        ministack.stop()


def _exit_after_timeout(folder: StateFolder) -> None:
    seconds = _STOP_SECONDS if folder.kept_port() is None else _SAVE_SECONDS
    time.sleep(seconds)
    _log.warning("The end is forced: it took more than %.0f s", seconds)
    _exit(folder, 1)


def load_container_images() -> dict[str, ContainerImage]:
    """Return the programs of SageMaker's containers by patterns of image URIs.

    Each installed distribution can register some: an entry point of the group
    ``scones_local.container_images`` is a function that returns such a mapping.
    """
    functions = [entry.load() for entry in entry_points(group="scones_local.container_images")]
    return {uri: image for function in functions for uri, image in function().items()}


def _write_description(folder: StateFolder, description: dict[str, Any]) -> None:
    """Write `cloud.json` once the endpoint answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{description['endpoint']}{HEALTH_PATH}", timeout=60):
        pass
    temporary = folder.description.with_suffix(".new")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as stream:
        json.dump(description, stream, indent=2)
    temporary.rename(folder.description)
    _log.info("Serving at %s", description["endpoint"])


if __name__ == "__main__":
    main()

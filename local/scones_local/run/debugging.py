"""Let a function of a running local cloud wait for a debugger."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scones_local.cloud.lifecycle import Cloud
from scones_local.cloud.state import StateFolder
from scones_local.lambda_runtime import DebugRequest, DebugRequests
from scones_local.run import deploy
from scones_local.run.reload import physical_ids
from scones_local.run.sources import Source, Sources, read_sources

DEFAULT_PORT = 5678
"""Port that editors expect debugpy at."""


class DebugError(Exception):
    """A function cannot be debugged; the message says why, and what to do."""


@dataclass(frozen=True)
class DebuggedFunction:
    """A function that is being debugged.

    Attributes
    ----------
    name
        Name of its folder.
    request
        Its debug request.
    """

    name: str
    request: DebugRequest


@contextmanager
def debugging(
    running: Cloud, name: str, port: int, template: Path | None = None
) -> Iterator[DebuggedFunction]:
    """Let a function wait for a debugger in its next invocation, as long as this is entered.

    Its process then imports the sources themselves, so that breakpoints are met there.

    Parameters
    ----------
    running
        Where the application is deployed.
    name
        Name of the function's folder, or its logical id.
    port
        Port on the loopback interface.
    template
        The SAM template; None takes the one that is deployed.

    Raises
    ------
    DebugError
        If the function does not exist or is being debugged already.
    """
    sources = read_sources(template or deploy.template())
    source = _find_function(sources, name)
    deployed = physical_ids(running.session())
    if source.resource not in deployed:
        raise DebugError(f"{source.resource} is not deployed yet: run `make redeploy`")
    code = [source.path, *(layer.path / "python" for layer in sources.layers)]
    requests = DebugRequests(StateFolder(running.state).debugging)
    with ExitStack() as debug_request:
        try:
            request = debug_request.enter_context(
                requests.add(deployed[source.resource], port, code)
            )
        except BlockingIOError:
            raise DebugError(
                f"{source.name} is being debugged already, in another terminal"
            ) from None
        yield DebuggedFunction(source.name, request)


def _find_function(sources: Sources, name: str) -> Source:
    for source in sources.functions:
        if name in (source.name, source.resource):
            return source
    names = ", ".join(sorted(source.name for source in sources.functions))
    raise DebugError(f"there is no function {name!r}: choose one of {names}")

"""`make up` and `make down`: the application left running for development, and stopped again."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from scones_local.cloud import lifecycle
from scones_local.cloud.state import StateFolder
from scones_local.run import application, deploy, holdings, invocation, logs
from scones_local.run.application import Settings, deploy_and_train
from scones_local.run.debugging import DEFAULT_PORT, DebuggedFunction, debugging
from scones_local.run.end_to_end import report_cloud_errors
from scones_local.run.output import Output
from scones_local.run.photo_folder import Dataset
from scones_local.run.watch import Watcher
from scones_operator.aws.stack import Stack
from scones_operator.errors import OperationError

_POLL_SECONDS = 0.2
_LOG_HISTORY_SECONDS = 10.0

FOLDER = "up"
"""Folder for the state of the local cloud, in the folder for work."""


def require_stopped(work: Path) -> None:
    """Make sure that nothing is running yet.

    Raises
    ------
    CloudError
        If it is; says what to do.
    """
    try:
        running = lifecycle.attach(work / FOLDER)
    except lifecycle.CloudError:
        return
    raise lifecycle.CloudError(
        f"it is running already, at {running.endpoint}: use it, or stop it with `make down` first"
    )


def has_kept_data(work: Path) -> bool:
    """Return True if an earlier `make up` left something to continue with."""
    return StateFolder(work / FOLDER).saved_at() is not None


def require_nothing_kept(work: Path) -> None:
    """Refuse to start without what was kept, and so to lose it.

    Raises
    ------
    CloudError
        If something is kept; says what to do.
    """
    if has_kept_data(work):
        size = _format_size(StateFolder(work / FOLDER))
        raise lifecycle.CloudError(
            f"there are {size} of kept photos, labels and models in {work / FOLDER}: "
            "`make up KEEP=1` continues with them, `make up KEEP=0` deletes them and starts from "
            "scratch"
        )


def up(
    dataset: Dataset, settings: Settings, output: Output, work: Path, *, keep: bool = False
) -> None:
    """Install everything in a local cloud that goes on running, and say how to use it.

    Parameters
    ----------
    dataset
        What to train on.
    settings
        What to train.
    output
        Where to show it.
    work
        Folder for the cloud's state and for what is built.
    keep
        Whether what it stores shall be kept when it is stopped.
    """
    for line in settings.describe(dataset):
        output.say(line)
    folder = StateFolder(work / FOLDER)
    folder.discard()
    with output.step("Starting the local cloud"):
        running = lifecycle.start_detached(folder.path)
    try:
        with report_cloud_errors(running):
            stack, _ = deploy_and_train(running, work, dataset, settings, output)
            _write_environment(running)
            photo = dataset.validation[0].path
            event = _upload(running, stack, photo)
            guide = _guide(running, stack, photo, event)
            _write_private(_guide_file(running), guide)
    except BaseException:
        running.stop()
        raise
    if keep:
        folder.keep(_port(running))
    output.say(guide)


def resume(output: Output, work: Path) -> None:
    """Start the local cloud with what was kept.

    Parameters
    ----------
    output
        Where to show it.
    work
        Folder of the cloud's state and of what is built.
    """
    with output.step("Starting the local cloud with the kept data"):
        running = lifecycle.start_detached(work / FOLDER)
    try:
        with report_cloud_errors(running):
            stack = Stack.read(running.session())
            with output.step("Starting the endpoints"):
                _wait_for_endpoints(running)
            _write_environment(running)
            output.say(f"Kept: {holdings.count_holdings(running.session(), stack)}")
            Watcher(running, work, output).catch_up()
    except BaseException:
        running.stop()
        raise
    output.say(_guide_file(running).read_text(encoding="utf-8"))


def watch(output: Output, work: Path, *, catch_up: bool = True) -> None:
    """Make changed sources live in what `up` left running, until that is stopped.

    Parameters
    ----------
    output
        Where to show it.
    work
        Folder of the cloud's state and of what is built.
    catch_up
        Whether to begin with what changed since the deployment.

    Raises
    ------
    CloudError
        If nothing is running.
    """
    running = lifecycle.attach(work / FOLDER)
    with report_cloud_errors(running):
        watcher = Watcher(running, work, output)
        if catch_up:
            watcher.catch_up()
        watcher.watch()


def redeploy(output: Output, work: Path) -> None:
    """Deploy the current template onto the stack of what `up` left running.

    Raises
    ------
    CloudError
        If nothing is running.
    DeployError
        If SAM CLI fails.
    """
    running = lifecycle.attach(work / FOLDER)
    with report_cloud_errors(running):
        application.redeploy(running, work, output)
        Watcher(running, work, output).reload_all()
        stack = Stack.read(running.session())
        output.say(
            f"Live, with what there was: {holdings.count_holdings(running.session(), stack)}"
        )


def invoke(work: Path, function: str, event: Path, options: Sequence[str]) -> int:
    """Run a function of what `up` left running in Lambda's own container image.

    Returns
    -------
    int
        Exit status of SAM CLI: 0 even where the function raised.

    Raises
    ------
    CloudError
        If nothing is running.
    InvocationError
        If a container can't reach the local cloud.
    """
    running = lifecycle.attach(work / FOLDER)
    return invocation.invoke(running, deploy.built_template(work), function, event, options)


def follow_logs(console: Console, work: Path, function: str = "", port: int = DEFAULT_PORT) -> None:
    """Show all logs of what `up` left running as they are written, until that is stopped.

    Parameters
    ----------
    console
        Where to show them.
    work
        Folder of the cloud's state.
    function
        Name of a function that waits for a debugger in the meantime; empty for none.
    port
        Port on the loopback interface that it waits at.

    Raises
    ------
    CloudError
        If nothing is running.
    DebugError
        If the function does not exist.
    """
    running = lifecycle.attach(work / FOLDER)
    output, folder = Output(console), StateFolder(running.state)
    should_continue = folder.is_locked
    with report_cloud_errors(running), ExitStack() as stack:
        if function:
            debugged = stack.enter_context(debugging(running, function, port))
            should_continue = _debugger_announcer(debugged, output, folder)
            output.say(
                f"The next invocation of {debugged.name} waits for a debugger at 127.0.0.1:{port}; "
                "its timeout does not count. docs/development.md shows how to attach VS Code. "
                "Ctrl-C ends this."
            )
        else:
            output.say(f"Following all logs of {running.endpoint}. Ctrl-C ends this.")
        with suppress(KeyboardInterrupt):
            for line in logs.follow(
                running.session(), time.time() - _LOG_HISTORY_SECONDS, should_continue
            ):
                logs.print_line(console, line)


def _debugger_announcer(
    debugged: DebuggedFunction, output: Output, folder: StateFolder
) -> Callable[[], bool]:
    """Return a check for `logs.follow`, which also prints each time that the function waits."""
    announced = False

    def look() -> bool:
        nonlocal announced
        waits = debugged.request.waits
        if waits and not announced:
            output.say(f"{debugged.name} waits: attach your debugger now")
        announced = waits
        return folder.is_locked()

    return look


def down(output: Output, work: Path, *, keep: bool | None = None) -> None:
    """Stop what `up` left running, and say what is kept or lost.

    With nothing running there is nothing to do and nothing wrong: the end is the same, and
    scripts may call it to be sure.

    Parameters
    ----------
    output
        Where to show it.
    work
        Folder of the cloud's state.
    keep
        Whether what it stores is kept; None leaves it to how it was started.
    """
    try:
        running = lifecycle.attach(work / FOLDER)
    except lifecycle.CloudError as error:
        output.say(f"Nothing to stop: {error}")
        return
    folder = StateFolder(running.state)
    if keep:
        folder.keep(_port(running))
    if keep is False:
        folder.discard()
    holdings, saved = _count_holdings(running), folder.saved_at()
    has_kept = folder.kept_port() is not None
    running.stop()
    if holdings is not None and holdings.executions:
        output.say(
            f"Ended while they ran: {holdings.executions} of retrain, promote and pipelines."
        )
    if not has_kept:
        output.say(f"Stopped. {_format_lost(holdings)}")
    elif folder.saved_at() == saved:
        output.say(f"Stopped, but not everything was kept: see the end of {folder.log}")
    else:
        output.say(
            f"Stopped. Kept in {_format_path(folder.path)}, {_format_size(folder)}: {holdings}. "
            "`make up KEEP=1` continues with it."
        )


def _count_holdings(running: lifecycle.Cloud) -> holdings.Holdings | None:
    """Return what the application holds, None if there is none that answers."""
    try:
        session = running.session()
        return holdings.count_holdings(session, Stack.read(session))
    except (BotoCoreError, ClientError, OperationError):
        return None


def _format_lost(held: holdings.Holdings | None) -> str:
    if held is None:
        return "Nothing was kept."
    return f"Lost with it: {held}. `make up KEEP=1`, or `make down KEEP=1`, keeps them."


def _format_size(folder: StateFolder) -> str:
    return f"{folder.size() / 1e6:.0f} MB"


def _port(running: lifecycle.Cloud) -> int:
    return urlsplit(running.endpoint).port or 0


def _wait_for_endpoints(running: lifecycle.Cloud) -> None:
    sagemaker = running.session().client("sagemaker")
    while sagemaker.list_endpoints(StatusEquals="Creating")["Endpoints"]:
        time.sleep(_POLL_SECONDS)


def _guide_file(running: lifecycle.Cloud) -> Path:
    return running.state / "guide.txt"


def _write_environment(running: lifecycle.Cloud) -> None:
    """Write a shell script that makes AWS's tools talk to the local cloud alone."""
    # A profile or a token of the user's own would go before the keys or with them.
    lines = ["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN"]
    lines += [
        f"export {name}={shlex.quote(value)}"
        for name, value in sorted(running.environ().items())
        if name.startswith("AWS_") or name.lower() == "no_proxy"
    ]
    _write_private(_environment(running), "\n".join(lines) + "\n")


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _environment(running: lifecycle.Cloud) -> Path:
    return running.state / "environment"


def _upload(running: lifecycle.Cloud, stack: Stack, photo: Path) -> Path:
    """Upload a photo and write what the state machine gives the first function for it."""
    key, body = f"incoming/{photo.name}", photo.read_bytes()
    response = (
        running.session().client("s3").put_object(Bucket=stack.photos_bucket, Key=key, Body=body)
    )
    event = {
        "bucket": stack.photos_bucket,
        "key": key,
        "version_id": response["VersionId"],
        "etag": response["ETag"].strip('"'),
        "size": len(body),
    }
    file = running.state / "serialize.json"
    _write_private(file, json.dumps(event, indent=2) + "\n")
    return file


def _guide(running: lifecycle.Cloud, stack: Stack, photo: Path, event: Path) -> str:
    python = _format_path(Path(sys.executable))
    scones = f"{_format_path(Path(sys.executable).with_name('scones'))} --local"
    return f"""
Running until `make down`, at {running.endpoint}

  photos bucket   {stack.photos_bucket}
  data bucket     {stack.data_bucket}
  results table   {stack.results_table}
  event bus       {stack.event_bus}
  endpoint        {stack.endpoint}

Upload a photo, see what was decided; open the page; retrain, and look at the versions:

  {scones} upload {_format_path(photo)} --wait
  {scones} results
  {scones} console
  {scones} retrain --wait
  {scones} models

Change functions/, layers/domain/ or statemachine/: `make watch` makes what you save live at once,
`make redeploy` a changed template. `make logs` follows all logs, `make debug FUNCTION=serialize`
lets a function wait for your debugger.

To talk to it with the AWS CLI, which you may have, or anything else that speaks AWS:

  . {_format_path(_environment(running))}
  aws logs tail {stack.classify_log_group} --follow

Run a function with `sam local invoke`, in Docker on Linux, on a photo that was
uploaded already (other functions take the events in events/):

  {python} -m local invoke SerializeFunction {_format_path(event)}
"""


def _format_path(path: Path) -> str:
    """Return a path as one would type it here."""
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))

"""`make up` and `make down`: the application left running for development, and stopped again."""

import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from local import cloud
from local.run import deploy, invocation
from local.run.application import Settings, install
from local.run.folders import Dataset
from local.run.job import naming_the_log
from local.run.screen import Screen
from operations.stack import Stack

FOLDER = "up"
"""Folder for the state of the embedded cloud, in the folder for work."""


def require_stopped(work: Path) -> None:
    """Make sure that nothing is running yet.

    Raises
    ------
    CloudError
        If it is; says what to do.
    """
    try:
        running = cloud.attach(work / FOLDER)
    except cloud.CloudError:
        return
    raise cloud.CloudError(
        f"it is running already, at {running.endpoint}: use it, or stop it with `make down` first"
    )


def up(dataset: Dataset, settings: Settings, screen: Screen, work: Path) -> None:
    """Install everything in an embedded cloud that goes on running, and say how to use it.

    Parameters
    ----------
    dataset
        What to train on.
    settings
        What to train.
    screen
        Where to show it.
    work
        Folder for the cloud's state and for what is built.
    """
    settings.hyperparameters(dataset)
    with screen.step("Starting the embedded cloud"):
        running = cloud.launch(work / FOLDER)
    try:
        with naming_the_log(running):
            stack, _ = install(running, work, dataset, settings, screen)
            _write_environment(running)
            photo = dataset.validation[0].path
            event = _upload(running, stack, photo)
    except BaseException:
        running.stop()
        raise
    screen.say(_guide(running, stack, photo, event))


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
        If a container can't reach the embedded cloud.
    """
    running = cloud.attach(work / FOLDER)
    return invocation.invoke(running, deploy.built_template(work), function, event, options)


def down(screen: Screen, work: Path) -> None:
    """Stop what `up` left running.

    With nothing running there is nothing to do and nothing wrong: the end is the same, and
    scripts may call it to be sure.
    """
    try:
        running = cloud.attach(work / FOLDER)
    except cloud.CloudError as error:
        screen.say(f"Nothing to stop: {error}")
        return
    running.stop()
    screen.say("Stopped.")


def _write_environment(running: cloud.Cloud) -> None:
    """Write a shell script that makes AWS's tools talk to the embedded cloud alone."""
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


def _environment(running: cloud.Cloud) -> Path:
    return running.state / "environment"


def _upload(running: cloud.Cloud, stack: Stack, photo: Path) -> Path:
    """Upload a photo and write what the state machine gives the first function for it."""
    key, body = f"incoming/{photo.name}", photo.read_bytes()
    answer = (
        running.session().client("s3").put_object(Bucket=stack.photos_bucket, Key=key, Body=body)
    )
    event = {
        "bucket": stack.photos_bucket,
        "key": key,
        "version_id": answer["VersionId"],
        "etag": answer["ETag"].strip('"'),
        "size": len(body),
    }
    file = running.state / "serialize.json"
    _write_private(file, json.dumps(event, indent=2) + "\n")
    return file


def _guide(running: cloud.Cloud, stack: Stack, photo: Path, event: Path) -> str:
    python = _shown(Path(sys.executable))
    scones = f"{_shown(Path(sys.executable).with_name('scones'))} --local"
    return f"""
Running until `make down`, at {running.endpoint}

  photos bucket   {stack.photos_bucket}
  data bucket     {stack.data_bucket}
  results table   {stack.results_table}
  event bus       {stack.event_bus}
  endpoint        {stack.endpoint}

Upload a photo, see what was decided; open the page; retrain, and look at the versions:

  {scones} upload {_shown(photo)} --wait
  {scones} results
  {scones} console
  {scones} retrain --wait
  {scones} models

To talk to it with the AWS CLI, which you may have, or anything else that speaks AWS:

  . {_shown(_environment(running))}
  aws logs tail {stack.classify_log_group} --follow

Run a function with `sam local invoke`, in Docker on Linux, on a photo that was
uploaded already (other functions take the events in events/):

  {python} -m local invoke SerializeFunction {_shown(event)}
"""


def _shown(path: Path) -> str:
    """Return a path as one would type it here."""
    return shlex.quote(os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path))

"""`scones copy`."""

from typing import Annotated

import typer

from scones_operator.aws.stack import STACK, Stack
from scones_operator.cli.commands import formatting
from scones_operator.cli.commands.models import NumberArgument
from scones_operator.cli.context import Desk
from scones_operator.models.registry import PENDING


def copy(
    desk: Desk,
    version: NumberArgument,
    from_stack: Annotated[str, typer.Option(metavar="NAME", help="Stack to copy from.")] = STACK,
    from_profile: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="Profile of your AWS configuration for that stack."),
    ] = None,
    from_region: Annotated[
        str | None, typer.Option(metavar="REGION", help="AWS region of that stack.")
    ] = None,
) -> None:
    """Copy an approved version from another account's stack.

    It is registered here pending approval. Run the command again to continue an interrupted copy.
    """
    # Lazy import: boto3 and Pydantic slow down `--help`.
    from scones_operator.models.copy import SOURCE, Place, copy_version  # noqa: PLC0415

    session = desk.connect_as(from_profile, from_region)
    source = Place(session, Stack.read(session, from_stack))
    with desk.screen.measuring() as show:
        copied = copy_version(source, Place(desk.session, desk.stack), version, show)
    found = copied.version
    record = {
        "version": found.number,
        "arn": found.arn,
        "status": found.status,
        "source": copied.source.arn,
        "new": copied.is_new,
        "accuracy": found.figure("accuracy"),
        "artifacts": found.metadata["artifacts"],
        "artifacts_sha256": found.metadata["artifacts_sha256"],
    }
    rows = {
        "source": found.metadata[SOURCE],
        "accuracy": formatting.figure(found.figure("accuracy")),
        "artifacts": found.metadata["artifacts"],
        "SHA-256": found.metadata["artifacts_sha256"],
    }
    done = "is a copy, pending approval," if copied.is_new else "is an earlier copy"
    then = (
        [f"To test it in staging: scones approve {found.number}"] if found.status == PENDING else []
    )
    headline = f"Version {found.number} {done} of version {version} of {from_stack}"
    status = "" if copied.is_new else f" ({found.status})"
    desk.screen.answer(record, f"{headline}{status}.", *formatting.fields(rows), *then)

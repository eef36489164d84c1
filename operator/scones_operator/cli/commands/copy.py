"""`scones copy`."""

from typing import Annotated

import typer

from scones_operator.aws.stack import DEFAULT_STACK_NAME, Stack
from scones_operator.cli.commands import formatting
from scones_operator.cli.commands.models import NumberArgument
from scones_operator.cli.context import CommandContext
from scones_operator.models.registry import PENDING


def copy(
    ctx: CommandContext,
    version: NumberArgument,
    from_stack: Annotated[
        str, typer.Option(metavar="NAME", help="Stack to copy from.")
    ] = DEFAULT_STACK_NAME,
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
    from scones_operator.models.copy import SOURCE, StackLocation, copy_version  # noqa: PLC0415

    session = ctx.connect_as(from_profile, from_region)
    source = StackLocation(session, Stack.read(session, from_stack))
    with ctx.output.progress_bars() as on_progress:
        copied = copy_version(source, StackLocation(ctx.session, ctx.stack), version, on_progress)
    model_version = copied.version
    record = {
        "version": model_version.number,
        "arn": model_version.arn,
        "status": model_version.status,
        "source": copied.source.arn,
        "new": copied.is_new,
        "accuracy": model_version.metric("accuracy"),
        "artifacts": model_version.metadata["artifacts"],
        "artifacts_sha256": model_version.metadata["artifacts_sha256"],
    }
    rows = {
        "source": model_version.metadata[SOURCE],
        "accuracy": formatting.format_number(model_version.metric("accuracy")),
        "artifacts": model_version.metadata["artifacts"],
        "SHA-256": model_version.metadata["artifacts_sha256"],
    }
    state = "is a copy, pending approval," if copied.is_new else "is an earlier copy"
    next_steps = (
        [f"To test it in staging: scones approve {model_version.number}"]
        if model_version.status == PENDING
        else []
    )
    headline = f"Version {model_version.number} {state} of version {version} of {from_stack}"
    status = "" if copied.is_new else f" ({model_version.status})"
    ctx.output.print_result(
        record, f"{headline}{status}.", *formatting.format_fields(rows), *next_steps
    )

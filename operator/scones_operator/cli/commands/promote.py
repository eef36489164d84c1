"""`scones promote`, `scones rollback` and `scones host`."""

import re
from typing import Annotated

import typer
from rich.console import RenderableType

from scones.endpoint_state import MAX_COMMENT_LENGTH
from scones_operator.aws.execution_list import list_executions
from scones_operator.aws.executions import outcome_title
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import EXIT_UNSUCCESSFUL, CommandContext
from scones_operator.cli.times import format_time
from scones_operator.models import promotion
from scones_operator.models.promotion import ApprovalRequest, Promotion


def _validate_comment(comment: str) -> str:
    if len(comment) > MAX_COMMENT_LENGTH:
        raise typer.BadParameter(
            f"the comment has {len(comment)} characters, at most {MAX_COMMENT_LENGTH} are allowed"
        )
    return comment


CommentOption = Annotated[str, typer.Option(help="Reason.", callback=_validate_comment)]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow the execution until it ends.")]


def promote(
    ctx: CommandContext,
    version: Annotated[
        int | None,
        typer.Argument(
            metavar="[VERSION]", min=1, help="Model version, to make sure it is the right one."
        ),
    ] = None,
    approve: Annotated[
        bool, typer.Option("--approve", help="Approve the promotion to production.")
    ] = False,
    reject: Annotated[
        bool, typer.Option("--reject", help="Reject it; production is unchanged.")
    ] = False,
    comment: CommentOption = "",
    wait: WaitOption = False,
) -> None:
    """Approve or reject the promotion that waits for approval.

    Without --approve or --reject, show the running promotions.
    """
    if approve and reject:
        raise typer.BadParameter("give --approve or --reject, not both")
    promotions = promotion.list_running_promotions(ctx.session, ctx.stack)
    if not promotions:
        ctx.output.print_info(_format_last_promotion(ctx))
    if not (approve or reject):
        if version or comment or wait:
            raise typer.BadParameter("give --approve or --reject as well")
        _show(ctx, promotions)
        return
    request = promotion.select_approval_request(promotions, version)
    ctx.output.print_info(f"Version {request.version}: {request.smoke_test}")
    promotion.send_approval(ctx.session, ctx.stack, request, approved=approve, comment=comment)
    if wait:
        follow(
            ctx, request.execution, request, expected_outcome="promoted" if approve else "rejected"
        )
        return
    record = {**formatting.approval_request_json(request), "approved": approve}
    approved = "is approved and goes to production; `scones promote` shows the progress"
    rejected = "is not promoted; production is unchanged"
    result = approved if approve else rejected
    ctx.output.print_result(record, f"Version {request.version} {result}.")


def rollback(
    ctx: CommandContext,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="An approved version.")],
    wait: WaitOption = False,
) -> None:
    """Roll back production to an earlier approved version.

    It skips staging and approval; the same alarms can undo it.
    """
    execution = promotion.start_rollback(ctx.session, ctx.stack, version, ctx.user)
    _report_started(ctx, execution, f"Rolling back to version {version}", wait=wait)


def _s3_uri(text: str) -> str:
    if not re.fullmatch(r"s3://[^/]+/.+[.]tar[.]gz", text):
        raise typer.BadParameter(f"{text!r} is not an S3 URI such as s3://BUCKET/PATH/model.tar.gz")
    return text


def host(
    ctx: CommandContext,
    artifacts: Annotated[
        str,
        typer.Argument(
            metavar="S3_URI", callback=_s3_uri, help="A model.tar.gz in the data bucket."
        ),
    ],
    wait: WaitOption = False,
) -> None:
    """Deploy a model saved in S3 to production, registered or not."""
    execution = promotion.start_hosting(ctx.session, ctx.stack, artifacts, ctx.user)
    _report_started(ctx, execution, f"Deploying {artifacts} to production", wait=wait)


def follow(
    ctx: CommandContext,
    execution: str,
    approval_request: ApprovalRequest | None = None,
    expected_outcome: str = "promoted",
) -> None:
    """Follow a promotion until it asks, or ends, and show that.

    Parameters
    ----------
    ctx
        Where.
    execution
        Its ARN.
    approval_request
        The question that was answered just now.
    expected_outcome
        The outcome that was asked for; with another one the command's exit code says so.
    """
    after = approval_request.event_id if approval_request else 0
    with ctx.output.execution_progress(execution) as on_update:
        result = promotion.follow_promotion(ctx.session, execution, on_update, after)
    if isinstance(result, ApprovalRequest):
        record = {"outcome": "approval_required", **formatting.approval_request_json(result)}
        ctx.output.print_result(
            record,
            *formatting.format_approval_request(result),
            formatting.approval_commands(result),
        )
        return
    rows = {"endpoint": ctx.stack.endpoint, "configuration": result.details.get("endpoint_config")}
    ctx.output.print_result(
        formatting.outcome_json(result),
        formatting.format_outcome(result),
        *formatting.format_fields(rows),
    )
    if result.outcome != expected_outcome:
        raise typer.Exit(EXIT_UNSUCCESSFUL)


def _report_started(ctx: CommandContext, execution: str, title: str, *, wait: bool) -> None:
    if wait:
        follow(ctx, execution)
        return
    ctx.output.print_result({"outcome": "started", "execution": execution}, f"{title}: {execution}")


def _show(ctx: CommandContext, promotions: list[Promotion]) -> None:
    record = {"promotions": [_promotion_json(promotion_shown) for promotion_shown in promotions]}
    lines: list[RenderableType] = []
    for promotion_shown in promotions:
        if promotion_shown.approval_request:
            lines += [
                *formatting.format_approval_request(promotion_shown.approval_request),
                formatting.approval_commands(promotion_shown.approval_request),
            ]
        else:
            lines.append(f"{promotion_shown.title}: {promotion_shown.step or 'just started'}")
    ctx.output.print_result(record, *(lines or ["No promotion is running."]))


def _format_last_promotion(ctx: CommandContext) -> str:
    """Return the outcome of the last promotion, rollback or hosting in a sentence."""
    ended = list_executions(ctx.session, ctx.stack, "promote", 1)
    if not ended:
        return "There has been no promotion yet."
    (last,) = ended
    title = outcome_title(last.outcome or last.status, last.kind)
    message = f": {last.message}" if last.message else ""
    return f"The last one, started {format_time(last.started_at)}: {title}{message}"


def _promotion_json(running: Promotion) -> dict[str, object]:
    return {
        "execution": running.execution,
        "started_at": running.started_at,
        "title": running.title,
        "step": running.step.title if running.step else None,
        "approval_request": formatting.approval_request_json(running.approval_request)
        if running.approval_request
        else None,
    }

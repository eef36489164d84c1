"""`scones promote`, `scones rollback` and `scones host`."""

import re
from typing import Annotated

import typer
from rich.console import RenderableType

from scones.endpoint_state import LONGEST_COMMENT
from scones_operator.aws.execution_list import read_executions
from scones_operator.aws.executions import outcome_title
from scones_operator.cli.commands import formatting
from scones_operator.cli.context import OTHERWISE, Desk
from scones_operator.cli.times import shown
from scones_operator.models import promotion
from scones_operator.models.promotion import Promotion, Question


def _short_enough(comment: str) -> str:
    if len(comment) > LONGEST_COMMENT:
        raise typer.BadParameter(
            f"the comment has {len(comment)} characters, at most {LONGEST_COMMENT} are allowed"
        )
    return comment


CommentOption = Annotated[str, typer.Option(help="Reason.", callback=_short_enough)]
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow the execution until it ends.")]


def promote(
    desk: Desk,
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
    found = promotion.find_promotions(desk.session, desk.stack)
    if not found:
        desk.screen.say(_last(desk))
    if not (approve or reject):
        if version or comment or wait:
            raise typer.BadParameter("give --approve or --reject as well")
        _show(desk, found)
        return
    question = promotion.choose_question(found, version)
    desk.screen.say(f"Version {question.version}: {question.smoke_test}")
    promotion.answer(desk.session, desk.stack, question, approved=approve, comment=comment)
    if wait:
        follow(desk, question.execution, question, wanted="promoted" if approve else "rejected")
        return
    record = {**formatting.question_record(question), "approved": approve}
    approved = "is approved and goes to production; `scones promote` shows the progress"
    rejected = "is not promoted; production is unchanged"
    then = approved if approve else rejected
    desk.screen.answer(record, f"Version {question.version} {then}.")


def rollback(
    desk: Desk,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="An approved version.")],
    wait: WaitOption = False,
) -> None:
    """Roll back production to an earlier approved version.

    It skips staging and approval; the same alarms can undo it.
    """
    execution = promotion.start_rollback(desk.session, desk.stack, version, desk.user)
    _started(desk, execution, f"Rolling back to version {version}", wait=wait)


def _s3_uri(text: str) -> str:
    if not re.fullmatch(r"s3://[^/]+/.+[.]tar[.]gz", text):
        raise typer.BadParameter(f"{text!r} is not an S3 URI such as s3://BUCKET/PATH/model.tar.gz")
    return text


def host(
    desk: Desk,
    artifacts: Annotated[
        str,
        typer.Argument(
            metavar="S3_URI", callback=_s3_uri, help="A model.tar.gz in the data bucket."
        ),
    ],
    wait: WaitOption = False,
) -> None:
    """Deploy a model saved in S3 to production, registered or not."""
    execution = promotion.start_hosting(desk.session, desk.stack, artifacts, desk.user)
    _started(desk, execution, f"Deploying {artifacts} to production", wait=wait)


def follow(
    desk: Desk, execution: str, answered: Question | None = None, wanted: str = "promoted"
) -> None:
    """Follow a promotion until it asks, or ends, and show that.

    Parameters
    ----------
    desk
        Where.
    execution
        Its ARN.
    answered
        The question that was answered just now.
    wanted
        The outcome that was asked for; with another one the command's exit code says so.
    """
    after = answered.event_id if answered else 0
    with desk.screen.following(execution) as show:
        end = promotion.follow_promotion(desk.session, execution, show, after)
    if isinstance(end, Question):
        record = {"outcome": "asks", **formatting.question_record(end)}
        desk.screen.answer(record, *formatting.question_shown(end), formatting.how_to_answer(end))
        return
    rows = {"endpoint": desk.stack.endpoint, "configuration": end.details.get("endpoint_config")}
    desk.screen.answer(
        formatting.outcome_record(end), formatting.headline(end), *formatting.fields(rows)
    )
    if end.outcome != wanted:
        raise typer.Exit(OTHERWISE)


def _started(desk: Desk, execution: str, what: str, *, wait: bool) -> None:
    if wait:
        follow(desk, execution)
        return
    desk.screen.answer({"outcome": "started", "execution": execution}, f"{what}: {execution}")


def _show(desk: Desk, found: list[Promotion]) -> None:
    record = {"promotions": [_record(item) for item in found]}
    shown: list[RenderableType] = []
    for item in found:
        if item.question:
            shown += [
                *formatting.question_shown(item.question),
                formatting.how_to_answer(item.question),
            ]
        else:
            shown.append(f"{item.what}: {item.step or 'just started'}")
    desk.screen.answer(record, *(shown or ["No promotion is running."]))


def _last(desk: Desk) -> str:
    """Return the outcome of the last promotion, rollback or hosting in a sentence."""
    ended = read_executions(desk.session, desk.stack, "promote", 1)
    if not ended:
        return "There has been no promotion yet."
    (last,) = ended
    title = outcome_title(last.outcome or last.status, last.kind)
    message = f": {last.message}" if last.message else ""
    return f"The last one, started {shown(last.started_at)}: {title}{message}"


def _record(item: Promotion) -> dict[str, object]:
    return {
        "execution": item.execution,
        "started_at": item.started_at,
        "what": item.what,
        "step": item.step.title if item.step else None,
        "question": formatting.question_record(item.question) if item.question else None,
    }

"""The page and what it asks: results and their news, photos, words of reviewers, models."""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import anyio.to_thread
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import AwareDatetime, BaseModel, Field

from scones.endpoint_state import MAX_COMMENT_LENGTH
from scones.records import Record, Skipped
from scones_operator.aws.stack import Stack
from scones_operator.console.background import ReviewResumer
from scones_operator.console.clients import ClientCache
from scones_operator.console.previews import PreviewCache
from scones_operator.console.rows import MAX_RESULTS, PhotoRow, to_photo_row
from scones_operator.console.updates import Update, UpdateFeed
from scones_operator.errors import (
    OperationError,
    PreconditionError,
    format_aws_error,
    is_credentials_error,
)
from scones_operator.escaping import escape
from scones_operator.models import promotion, registry
from scones_operator.models.production_history import Period, ProductionHistory
from scones_operator.models.promotion import Promotion
from scones_operator.models.registry import ModelVersion, ProductionModel
from scones_operator.photos.results import ResultFilter, State, search_results
from scones_operator.review import queue

if TYPE_CHECKING:
    import boto3

_log = logging.getLogger(__name__)

HERE = Path(__file__).parent
PLOTLY = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"

POLL_SECONDS = 2.0
"""Between two looks at what is new."""

EMPTY_UPDATE = Update(rows=[], queue=None)
MAX_VERSIONS = 10
MAX_ERRORS_SHOWN = 5
"""Unfinished reviews that the page names."""
CLASS_KEYS = "123456789"
"""Keys of the first classes."""


@dataclass
class ConsoleContext:
    """Where the page is served from.

    Attributes
    ----------
    access
        The way to AWS.
    stack
        Which stack.
    user
        Who is at work.
    stopping
        Set when the server is to end.
    """

    clients: ClientCache
    stack: Stack
    user: str
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def session(self) -> "boto3.Session":
        """The way to AWS, as operations take it."""
        return cast("boto3.Session", self.clients)

    def row(self, record: Record) -> PhotoRow:
        """Put a record as the page shows it."""
        return to_photo_row(record, self.stack.loading_bays)

    def resume_reviews(self) -> list[str]:
        """Finish reviews that were left unfinished; return what can't be."""
        found = queue.resume_reviews(self.session, self.stack)
        errors = [escape(item.error) for item in found if item.error]
        rest = len(errors) - MAX_ERRORS_SHOWN
        others = [f"{rest} more: `scones review` lists them"] if rest > 0 else []
        return errors[:MAX_ERRORS_SHOWN] + others


class PhotoRef(BaseModel):
    """Which photo is meant, as the results table's key has it."""

    photo: str = Field(max_length=2048)
    version: str = Field(max_length=1024)


class LabelRequest(PhotoRef):
    """A reviewer's word: a class, or null for none of them."""

    label: str | None


class UndoRequest(PhotoRef):
    """Which review is to be undone."""

    review: str


class CommentRequest(BaseModel):
    """Why a version is approved or rejected."""

    comment: str = Field(default="", max_length=MAX_COMMENT_LENGTH)


class ApprovalDecision(CommentRequest):
    """The answer to a promotion's question."""

    approved: bool


class Filters(BaseModel):
    """Filters of results.

    Attributes
    ----------
    hours
        Length of the time range that ends now, if `since` is None.
    since, until
        Start and end of the time range; an aware datetime or None.
    state
        Status of the photo with its review, or None for all.
    label
        Class, or None for all.
    name
        Part of the photo's key; an empty one takes all.
    """

    hours: float = Field(default=24, gt=0, le=24 * 366)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    state: State | None = None
    label: str | None = Field(default=None, max_length=256)
    name: str = Field(default="", max_length=1024)

    def result_filter(self) -> ResultFilter:
        """Return the filters as operations take them."""
        since = self.since or datetime.now(UTC) - timedelta(hours=self.hours)
        return ResultFilter(
            label=self.label, since=since, until=self.until, state=self.state, name=self.name
        )


class ProductionPeriods(BaseModel):
    """Versions in production.

    Attributes
    ----------
    endpoint
        Name of the production endpoint, or None if it does not exist.
    status
        Status of the endpoint in SageMaker, or None.
    periods
        Known periods, the latest first.
    read_at
        Time of the request (UTC); later changes are not in `periods`.
    """

    endpoint: str | None
    status: str | None
    periods: list[Period]
    read_at: datetime


class ResultsPage(BaseModel):
    """Results, the latest first, whether there are earlier ones in that time, and what is missing.

    Attributes
    ----------
    searched_since
        Time back to which records were searched if that is not the whole time range, or None.
    skipped
        The records of that time that cannot be read, or None if there is none.
    """

    rows: list[PhotoRow]
    more: bool
    searched_since: datetime | None
    skipped: str | None


def create_app(context: ConsoleContext) -> FastAPI:
    """Return the console's application, without `scones_operator.console.auth.AuthMiddleware`."""
    app = FastAPI(openapi_url=None)
    templates = Jinja2Templates(HERE / "templates")
    app.mount("/static", StaticFiles(directory=HERE / "static"))

    @app.get("/", response_class=HTMLResponse)
    def shell() -> Response:
        return FileResponse(HERE / "templates" / "shell.html")

    @app.get("/page", response_class=HTMLResponse)
    def page(request: Request) -> Response:
        names = context.stack.class_names
        classes = [
            {
                "name": name,
                "key": CLASS_KEYS[index : index + 1],
                "bay": context.stack.loading_bays.get(name),
            }
            for index, name in enumerate(names)
        ]
        shown = {"stack": context.stack.endpoint, "user": context.user, "classes": classes}
        return templates.TemplateResponse(request, "page.html", shown)

    @app.get("/plotly.js")
    def charts() -> Response:
        return FileResponse(PLOTLY, headers={"Cache-Control": "private, max-age=86400"})

    _add_results(app, context)
    _add_review(app, context)
    _add_models(app, context)
    _add_errors(app, context)
    return app


def _add_results(app: FastAPI, context: ConsoleContext) -> None:
    previews = PreviewCache(context.session, context.stack)
    resumer = ReviewResumer(context.resume_reviews)
    history = ProductionHistory(context.session, context.stack)

    @app.get("/api/results")
    def results(filters: Annotated[Filters, Query()]) -> ResultsPage:
        skipped = Skipped(MAX_RESULTS)
        found = search_results(
            context.session, context.stack, filters.result_filter(), MAX_RESULTS, skipped
        )
        return ResultsPage(
            rows=[context.row(record) for record in found.records],
            more=found.more,
            searched_since=found.searched_since,
            skipped=skipped.message and escape(skipped.message),
        )

    @app.get("/api/production")
    def production() -> ProductionPeriods:
        read_at = datetime.now(UTC)
        found = history.read()
        running = found.production
        return ProductionPeriods(
            endpoint=running.endpoint if running else None,
            status=running.status if running else None,
            periods=list(found.periods),
            read_at=read_at,
        )

    @app.get("/api/photo")
    def photo(ref: Annotated[PhotoRef, Query()]) -> Response:
        return Response(previews.get(ref.photo, ref.version), media_type="image/jpeg")

    @app.get("/api/updates", response_class=EventSourceResponse)
    async def updates() -> AsyncIterable[ServerSentEvent]:
        feed = UpdateFeed(context.session, context.stack)
        has_error = True  # so that the first look is told of, though nothing may be new
        incomplete: list[str] = []
        skipped: str | None = None
        while not context.stopping.is_set():
            try:
                found = await _run_in_thread(feed.poll)
            except Exception as error:  # whatever it is, the page must show it
                has_error = True
                yield ServerSentEvent(event="error", data=escape(_update_error(context, error)))
            else:
                if found or has_error:
                    yield ServerSentEvent(event="update", data=found or EMPTY_UPDATE)
                has_error = False
                if feed.skipped != skipped:
                    skipped = feed.skipped
                    yield ServerSentEvent(event="skipped", data=escape(skipped or ""))
                before, incomplete = incomplete, resumer.start_if_due()
                if incomplete != before:
                    yield ServerSentEvent(event="incomplete", data=incomplete)
            with suppress(TimeoutError):
                await asyncio.wait_for(context.stopping.wait(), POLL_SECONDS)


def _add_review(app: FastAPI, context: ConsoleContext) -> None:
    session, stack = context.session, context.stack

    def _record(ref: PhotoRef) -> Record:
        return queue.get_pending(session, stack, ref.photo, ref.version)

    @app.post("/api/label")
    def label(request: LabelRequest) -> PhotoRow:
        record = _record(request)
        if request.label is None:
            return context.row(queue.label_as_none(session, stack, record))
        return context.row(queue.label(session, stack, record, request.label))

    @app.post("/api/undo")
    def undo(ref: UndoRequest) -> PhotoRow:
        record = queue.get_reviewed(session, stack, ref.photo, ref.version)
        if record.review and record.review.id != ref.review:
            raise queue.UndoError(ref.review, record.review)
        return context.row(queue.undo(session, stack, record))


def _add_models(app: FastAPI, context: ConsoleContext) -> None:
    session, stack = context.session, context.stack

    @app.get("/api/models")
    def models() -> dict[str, Any]:
        production = registry.get_production_model(session, stack)
        versions = registry.list_versions(session, stack, MAX_VERSIONS + 1)
        return {
            "versions": [_version_json(version, production) for version in versions[:MAX_VERSIONS]],
            "more": len(versions) > MAX_VERSIONS,
            "production": production,
            "promotions": [
                _promotion_json(item) for item in promotion.list_running_promotions(session, stack)
            ],
        }

    @app.post("/api/models/{number}/approve")
    def approve(number: int, request: CommentRequest) -> dict[str, str]:
        promotion.approve_version(session, stack, number, context.user, request.comment)
        return {"message": f"Version {number} is approved and is tested in staging."}

    @app.post("/api/models/{number}/reject")
    def reject(number: int, request: CommentRequest) -> dict[str, str]:
        registry.reject_version(session, stack, number, request.comment)
        return {"message": f"Version {number} is rejected."}

    @app.post("/api/models/{number}/promotion")
    def decide_promotion(number: int, decision: ApprovalDecision) -> dict[str, str]:
        asked = promotion.select_approval_request(
            promotion.list_running_promotions(session, stack), number
        )
        promotion.send_approval(
            session, stack, asked, approved=decision.approved, comment=decision.comment
        )
        then = "is approved and goes to production." if decision.approved else "is not promoted."
        return {"message": f"Version {number} {then}"}


def _add_errors(app: FastAPI, context: ConsoleContext) -> None:
    """Say in words what went wrong; `kind` tells the page what to make of it."""

    @app.exception_handler(PreconditionError)
    async def precondition(_: Request, error: PreconditionError) -> Response:
        is_reviewed = isinstance(error, queue.AlreadyReviewedError)
        return _error(409, "already_reviewed" if is_reviewed else "precondition", error)

    @app.exception_handler(queue.ReviewIncompleteError)
    async def incomplete(_: Request, error: queue.ReviewIncompleteError) -> Response:
        row = context.row(error.record).model_dump(mode="json")
        return _error(502, "incomplete", error, row=row)

    @app.exception_handler(OperationError)
    async def operation_error(_: Request, error: OperationError) -> Response:
        return _error(502, "error", error)

    @app.exception_handler(ClientError)
    @app.exception_handler(BotoCoreError)
    async def aws(_: Request, error: ClientError | BotoCoreError) -> Response:
        return _error(502, "error", _aws_error_message(context, error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        messages = [
            f"{error_item['loc'][-1]}: {error_item['msg']}" for error_item in error.errors()
        ]
        return _error(422, "precondition", "; ".join(messages))


def _error(status: int, kind: str, error: object, **more: Any) -> Response:
    return JSONResponse({"kind": kind, "message": escape(str(error)), **more}, status_code=status)


def _update_error(context: ConsoleContext, error: Exception) -> str:
    """Return the reason why there is no news; what nobody expected is logged, too."""
    if isinstance(error, (ClientError, BotoCoreError)):
        return _aws_error_message(context, error)
    if isinstance(error, (OperationError, PreconditionError)):
        return str(error)
    _log.error("the page's news failed", exc_info=error)
    return f"unexpected error: {error!r}"


def _aws_error_message(context: ConsoleContext, error: ClientError | BotoCoreError) -> str:
    """Say what AWS refused; where it is the credentials, they are read anew the next time."""
    if is_credentials_error(error):
        context.clients.reset()
    return format_aws_error(error)


async def _run_in_thread(function: Callable[[], Any]) -> Any:
    """Do what blocks elsewhere; who leaves does not wait for it."""
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True)


def _version_json(version: ModelVersion, production: ProductionModel | None) -> dict[str, Any]:
    return {
        "number": version.number,
        "registered_at": version.registered_at,
        "status": version.status,
        "comment": escape(version.comment),
        "accuracy": version.metric("accuracy"),
        "threshold": version.metric("threshold"),
        "run": version.metadata.get("run"),
        "in_production": bool(production and production.runs(version)),
    }


def _promotion_json(running: Promotion) -> dict[str, Any]:
    request = running.approval_request
    return {
        "title": running.title,
        "started_at": running.started_at,
        "step": running.step.title if running.step else None,
        "approval_request": request
        and {
            "version": request.version,
            "smoke_test": request.smoke_test,
            "asked_at": request.requested_at,
        },
    }

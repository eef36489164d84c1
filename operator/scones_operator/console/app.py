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

from scones.endpoint_state import LONGEST_COMMENT
from scones.records import Record, Skipped
from scones_operator.aws.stack import Stack
from scones_operator.console.background import Finishing
from scones_operator.console.clients import Access
from scones_operator.console.previews import Pictures
from scones_operator.console.rows import RESULTS_SHOWN, Row, as_row
from scones_operator.console.updates import News, Watch
from scones_operator.errors import Fault, Refused, explain, is_locked_out
from scones_operator.escaping import escape
from scones_operator.models import promotion, registry
from scones_operator.models.production_history import Period, ProductionHistory
from scones_operator.models.promotion import Promotion
from scones_operator.models.registry import Production, Version
from scones_operator.photos.results import State, Wanted, search_results
from scones_operator.review import queue

if TYPE_CHECKING:
    import boto3

_log = logging.getLogger(__name__)

HERE = Path(__file__).parent
PLOTLY = Path(str(files("plotly"))) / "package_data" / "plotly.min.js"

LOOK_SECONDS = 2.0
"""Between two looks at what is new."""

NOTHING = News(rows=[], queue=None)
VERSIONS_SHOWN = 10
TROUBLES_SHOWN = 5
"""Unfinished reviews that the page names."""
KEYS = "123456789"
"""Keys of the first classes."""


@dataclass
class Room:
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

    access: Access
    stack: Stack
    user: str
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def session(self) -> "boto3.Session":
        """The way to AWS, as operations take it."""
        return cast("boto3.Session", self.access)

    def row(self, record: Record) -> Row:
        """Put a record as the page shows it."""
        return as_row(record, self.stack.loading_bays)

    def finish(self) -> list[str]:
        """Finish reviews that were left unfinished; return what can't be."""
        found = queue.finish(self.session, self.stack)
        troubles = [escape(item.trouble) for item in found if item.trouble]
        rest = len(troubles) - TROUBLES_SHOWN
        others = [f"{rest} more: `scones review` lists them"] if rest > 0 else []
        return troubles[:TROUBLES_SHOWN] + others


class Photo(BaseModel):
    """Which photo is meant, as the results table's key has it."""

    photo: str = Field(max_length=2048)
    version: str = Field(max_length=1024)


class Said(Photo):
    """A reviewer's word: a class, or null for none of them."""

    label: str | None


class Undo(Photo):
    """Which review is to be undone."""

    review: str


class Comment(BaseModel):
    """Why a version is approved or rejected."""

    comment: str = Field(default="", max_length=LONGEST_COMMENT)


class Answer(Comment):
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

    def wanted(self) -> Wanted:
        """Return the filters as operations take them."""
        since = self.since or datetime.now(UTC) - timedelta(hours=self.hours)
        return Wanted(
            label=self.label, since=since, until=self.until, state=self.state, name=self.name
        )


class ProductionShown(BaseModel):
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


class Results(BaseModel):
    """Results, the latest first, whether there are earlier ones in that time, and what is missing.

    Attributes
    ----------
    searched_since
        Time back to which records were searched if that is not the whole time range, or None.
    skipped
        The records of that time that cannot be read, or None if there is none.
    """

    rows: list[Row]
    more: bool
    searched_since: datetime | None
    skipped: str | None


def create_app(room: Room) -> FastAPI:
    """Return the console's application, without `scones_operator.console.auth.Guard`."""
    app = FastAPI(openapi_url=None)
    templates = Jinja2Templates(HERE / "templates")
    app.mount("/static", StaticFiles(directory=HERE / "static"))

    @app.get("/", response_class=HTMLResponse)
    def shell() -> Response:
        return FileResponse(HERE / "templates" / "shell.html")

    @app.get("/page", response_class=HTMLResponse)
    def page(request: Request) -> Response:
        names = room.stack.class_names
        classes = [
            {"name": name, "key": KEYS[index : index + 1], "bay": room.stack.loading_bays.get(name)}
            for index, name in enumerate(names)
        ]
        shown = {"stack": room.stack.endpoint, "user": room.user, "classes": classes}
        return templates.TemplateResponse(request, "page.html", shown)

    @app.get("/plotly.js")
    def charts() -> Response:
        return FileResponse(PLOTLY, headers={"Cache-Control": "private, max-age=86400"})

    _add_results(app, room)
    _add_review(app, room)
    _add_models(app, room)
    _add_errors(app, room)
    return app


def _add_results(app: FastAPI, room: Room) -> None:
    pictures = Pictures(room.session, room.stack)
    finishing = Finishing(room.finish)
    history = ProductionHistory(room.session, room.stack)

    @app.get("/api/results")
    def results(filters: Annotated[Filters, Query()]) -> Results:
        skipped = Skipped(RESULTS_SHOWN)
        found = search_results(room.session, room.stack, filters.wanted(), RESULTS_SHOWN, skipped)
        return Results(
            rows=[room.row(record) for record in found.records],
            more=found.more,
            searched_since=found.searched_since,
            skipped=skipped.message and escape(skipped.message),
        )

    @app.get("/api/production")
    def production() -> ProductionShown:
        read_at = datetime.now(UTC)
        found = history.read()
        running = found.production
        return ProductionShown(
            endpoint=running.endpoint if running else None,
            status=running.status if running else None,
            periods=list(found.periods),
            read_at=read_at,
        )

    @app.get("/api/photo")
    def photo(which: Annotated[Photo, Query()]) -> Response:
        return Response(pictures.get(which.photo, which.version), media_type="image/jpeg")

    @app.get("/api/news", response_class=EventSourceResponse)
    async def news() -> AsyncIterable[ServerSentEvent]:
        watch = Watch(room.session, room.stack)
        troubled = True  # so that the first look is told of, though nothing may be new
        unfinished: list[str] = []
        skipped: str | None = None
        while not room.stopping.is_set():
            try:
                found = await _in_thread(watch.look)
            except Exception as error:  # whatever it is, the page must show it
                troubled = True
                yield ServerSentEvent(event="trouble", data=escape(_trouble(room, error)))
            else:
                if found or troubled:
                    yield ServerSentEvent(event="news", data=found or NOTHING)
                troubled = False
                if watch.skipped != skipped:
                    skipped = watch.skipped
                    yield ServerSentEvent(event="skipped", data=escape(skipped or ""))
                before, unfinished = unfinished, finishing.go_on()
                if unfinished != before:
                    yield ServerSentEvent(event="unfinished", data=unfinished)
            with suppress(TimeoutError):
                await asyncio.wait_for(room.stopping.wait(), LOOK_SECONDS)


def _add_review(app: FastAPI, room: Room) -> None:
    session, stack = room.session, room.stack

    def _record(which: Photo) -> Record:
        return queue.find_waiting(session, stack, which.photo, which.version)

    @app.post("/api/label")
    def label(said: Said) -> Row:
        record = _record(said)
        if said.label is None:
            return room.row(queue.say_not_a_vehicle(session, stack, record))
        return room.row(queue.label(session, stack, record, said.label))

    @app.post("/api/undo")
    def undo(which: Undo) -> Row:
        record = queue.find_reviewed(session, stack, which.photo, which.version)
        if record.review and record.review.id != which.review:
            raise queue.NotUndone(which.review, record.review)
        return room.row(queue.undo(session, stack, record))


def _add_models(app: FastAPI, room: Room) -> None:
    session, stack = room.session, room.stack

    @app.get("/api/models")
    def models() -> dict[str, Any]:
        production = registry.find_production(session, stack)
        versions = registry.versions(session, stack, VERSIONS_SHOWN + 1)
        return {
            "versions": [_version(version, production) for version in versions[:VERSIONS_SHOWN]],
            "more": len(versions) > VERSIONS_SHOWN,
            "production": production,
            "promotions": [_promotion(item) for item in promotion.find_promotions(session, stack)],
        }

    @app.post("/api/models/{number}/approve")
    def approve(number: int, why: Comment) -> dict[str, str]:
        promotion.approve(session, stack, number, room.user, why.comment)
        return {"message": f"Version {number} is approved and is tested in staging."}

    @app.post("/api/models/{number}/reject")
    def reject(number: int, why: Comment) -> dict[str, str]:
        registry.reject(session, stack, number, why.comment)
        return {"message": f"Version {number} is rejected."}

    @app.post("/api/models/{number}/answer")
    def answer(number: int, given: Answer) -> dict[str, str]:
        asked = promotion.choose_question(promotion.find_promotions(session, stack), number)
        promotion.answer(session, stack, asked, approved=given.approved, comment=given.comment)
        then = "is approved and goes to production." if given.approved else "is not promoted."
        return {"message": f"Version {number} {then}"}


def _add_errors(app: FastAPI, room: Room) -> None:
    """Say in words what went wrong; `kind` tells the page what to make of it."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        taken = isinstance(error, queue.AlreadyReviewed)
        return _error(409, "taken" if taken else "refused", error)

    @app.exception_handler(queue.Unfinished)
    async def unfinished(_: Request, error: queue.Unfinished) -> Response:
        row = room.row(error.record).model_dump(mode="json")
        return _error(502, "unfinished", error, row=row)

    @app.exception_handler(Fault)
    async def fault(_: Request, error: Fault) -> Response:
        return _error(502, "fault", error)

    @app.exception_handler(ClientError)
    @app.exception_handler(BotoCoreError)
    async def aws(_: Request, error: ClientError | BotoCoreError) -> Response:
        return _error(502, "fault", _said(room, error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        told = [f"{item['loc'][-1]}: {item['msg']}" for item in error.errors()]
        return _error(422, "refused", "; ".join(told))


def _error(status: int, kind: str, error: object, **more: Any) -> Response:
    return JSONResponse({"kind": kind, "message": escape(str(error)), **more}, status_code=status)


def _trouble(room: Room, error: Exception) -> str:
    """Return the reason why there is no news; what nobody expected is logged, too."""
    if isinstance(error, (ClientError, BotoCoreError)):
        return _said(room, error)
    if isinstance(error, (Fault, Refused)):
        return str(error)
    _log.error("the page's news failed", exc_info=error)
    return f"unexpected error: {error!r}"


def _said(room: Room, error: ClientError | BotoCoreError) -> str:
    """Say what AWS refused; where it is the credentials, they are read anew the next time."""
    if is_locked_out(error):
        room.access.renew()
    return explain(error)


async def _in_thread(look: Callable[[], Any]) -> Any:
    """Do what blocks elsewhere; who leaves does not wait for it."""
    return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)


def _version(version: Version, production: Production | None) -> dict[str, Any]:
    return {
        "number": version.number,
        "registered_at": version.registered_at,
        "status": version.status,
        "comment": escape(version.comment),
        "accuracy": version.figure("accuracy"),
        "threshold": version.figure("threshold"),
        "run": version.metadata.get("run"),
        "in_production": bool(production and production.runs(version)),
    }


def _promotion(item: Promotion) -> dict[str, Any]:
    question = item.question
    return {
        "what": item.what,
        "started_at": item.started_at,
        "step": item.step.title if item.step else None,
        "question": question
        and {
            "version": question.version,
            "smoke_test": question.smoke_test,
            "asked_at": question.asked_at,
        },
    }

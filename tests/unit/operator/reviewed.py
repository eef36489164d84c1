"""A stack with photos that wait for a person, and services that fail where they are told to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.validate import validate_parameters

from scones.callers import Caller
from scones.events import PhotoDecided, PhotoReviewed
from scones.records import Record, read_record
from scones.reviews import REQUEST, ReviewServices, respond
from scones.settings import ReviewSettings
from scones_operator.aws.stack import Stack
from scones_operator.review import queue
from tests.unit.operator.deployed import STACK, Session
from tests.unit.results_table import create_table, decided, put_record
from tests.unit.scones.photos.samples import quadrants, written

PUT_EVENTS = botocore.session.Session().get_service_model("events").operation_model("PutEvents")

Call = tuple[str, str]


def caller(name: str) -> Caller:
    """Return a user of that name as Lambda tells of them."""
    return Caller(f"arn:aws:iam::123456789012:user/{name}", f"AIDA-OF-{name}")


class Bus:
    """EventBridge, as far as it takes events; requests are held against botocore's model."""

    def __init__(self) -> None:
        self.taken: list[PhotoReviewed] = []
        self.refusing = False

    def put_events(self, **given: Any) -> Any:
        shape = PUT_EVENTS.input_shape
        assert shape is not None
        validate_parameters(given, shape)
        (entry,) = given["Entries"]
        assert (entry["Source"], entry["DetailType"]) == ("scones", "Photo Reviewed")
        assert entry["EventBusName"] == STACK.event_bus
        if self.refusing:
            refused = {"ErrorCode": "InternalFailure", "ErrorMessage": "not now"}
            return {"FailedEntryCount": 1, "Entries": [refused]}
        self.taken.append(PhotoReviewed.model_validate(json.loads(entry["Detail"])))
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    def outcomes(self) -> list[str]:
        return [event.outcome for event in self.taken]


class Office:
    """Where somebody reviews: a session of which calls can be made to fail, before or after."""

    region_name = "us-east-1"
    user = "anna"

    def __init__(self, session: Session, stack: Stack = STACK) -> None:
        self._session = session
        self.stack = stack
        self.bus = Bus()
        self.calls: list[Call] = []
        self.before: dict[Call, Callable[[], None]] = {}
        self.after: dict[Call, Callable[[], None]] = {}
        create_table(session.client("dynamodb"), stack.results_table)
        for bucket in (stack.photos_bucket, stack.data_bucket):
            session.client("s3").create_bucket(Bucket=bucket)
            session.client("s3").put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )

    def client(self, service: str) -> Any:
        real = self.bus if service == "events" else self._session.client(service)
        return _Watched(self, service, real)

    @property
    def desk(self) -> ReviewServices:
        """What the function `review` works with."""
        return ReviewServices(
            self.client("dynamodb"),
            self.client("s3"),
            self.client("events"),
            ReviewSettings.read(
                {
                    "DATA_BUCKET": self.stack.data_bucket,
                    "RESULTS_TABLE": self.stack.results_table,
                    "EVENT_BUS": self.stack.event_bus,
                    "CLASS_NAMES": self.stack.parameters["ClassNames"],
                    "LOADING_BAYS": self.stack.parameters["LoadingBays"],
                    "VALIDATION_SHARE": self.stack.parameters.get("ValidationShare", "0.1"),
                }
            ),
        )

    def of(self, user: str) -> "Office":
        """The same office, with another user at work in it."""
        other = copy(self)
        other.user = user
        return other

    @contextmanager
    def used_by(self, user: str) -> Iterator[None]:
        """Let another user be at work for a while."""
        before, self.user = self.user, user
        yield
        self.user = before

    @property
    def table(self) -> Any:
        return self._session.client("dynamodb")

    @property
    def s3(self) -> Any:
        return self._session.client("s3")

    def arrive(
        self,
        name: str = "a.png",
        minutes: float = 0,
        body: bytes | None = None,
        folder: str = "incoming",
        **changes: Any,
    ) -> Record:
        """Let a photo be decided that waits for a person then."""
        body = written(quadrants(), "PNG") if body is None else body
        key = f"{folder}/{name}"
        put = self.s3.put_object(Bucket=self.stack.photos_bucket, Key=key, Body=body)
        photo = {
            "bucket": self.stack.photos_bucket,
            "key": key,
            "version_id": put["VersionId"],
            "etag": put["ETag"].strip('"'),
            "size": len(body),
        }
        changes = {"status": "needs_review", **changes}
        event = decided(name, minutes=minutes, **changes)
        event = PhotoDecided.model_validate(event.model_dump() | {"photo": photo})
        put_record(self.table, self.stack.results_table, event)
        return self.now(f"s3://{self.stack.photos_bucket}/{key}", put["VersionId"])

    def now(self, photo: str, version: str) -> Record:
        record = read_record(self.table, self.stack.results_table, photo, version)
        assert record is not None
        return record

    def again(self, record: Record) -> Record:
        """Read a record again."""
        return self.now(record.photo, record.version)

    def queue_of(self, record: Record) -> str | None:
        item = self.table.get_item(TableName=self.stack.results_table, Key=record.key)["Item"]
        return item.get("queue", {}).get("S")

    def dataset(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.stack.data_bucket, Prefix="dataset/")
        return [entry["Key"] for entry in listed.get("Contents", [])]

    def fill_dataset(self, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(
                Bucket=self.stack.data_bucket, Key=f"dataset/{key}", Body=key.encode()
            )

    def lose_request(self, service: str, operation: str, nth: int = 1) -> None:
        """Let the nth call of an operation fail before anything is done."""
        self.before[service, operation] = _fails_at(nth)

    def lose_answer(self, service: str, operation: str, nth: int = 1) -> None:
        """Let the nth call of an operation fail though it was done."""
        self.after[service, operation] = _fails_at(nth)

    def mend(self) -> None:
        self.before.clear()
        self.after.clear()
        self.bus.refusing = False


class _Function:
    """The function `review` in this process, for the user of an office."""

    def __init__(self, session: Any, url: str, look_with: str) -> None:
        # The console's stand-in for a session knows clients only.
        self._office: Office = session.client("dynamodb").office
        assert url == self._office.stack.review_url

    def call(self, request: Any) -> Any:
        office = self._office
        asked = REQUEST.validate_json(json.dumps(request))
        answer = respond(office.desk, asked, caller(office.user), lambda: True)
        return json.loads(answer.model_dump_json())


@pytest.fixture(autouse=True)
def reviews_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the function's URL, which test_function_urls.py tests."""
    monkeypatch.setattr(queue, "UrlClient", _Function)


def refusal(code: str, operation: str = "UpdateItem") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def _fails_at(nth: int) -> Callable[[], None]:
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise EndpointConnectionError(endpoint_url="https://aws")

    return fail


class _Watched:
    """A client of an office."""

    def __init__(self, office: Office, service: str, real: Any) -> None:
        self.office, self._service, self._real = office, service, real

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real) or name == "exceptions":
            return real

        def call(*which: Any, **given: Any) -> Any:
            key = (self._service, name)
            self.office.calls.append(key)
            self.office.before.get(key, _nothing)()
            answer = real(*which, **given)
            self.office.after.get(key, _nothing)()
            return answer

        return call


def _nothing() -> None:
    pass

"""Records of reviews, and the bus that their events are published on."""

from typing import TYPE_CHECKING

from scones.errors import OperationError
from scones.events import PhotoReviewed
from scones.records import Record, Review
from scones.reviews.records import ReviewRecords
from scones.settings import JoinReviewsSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient

SOURCE, DETAIL_TYPE = "scones", "Photo Reviewed"


class ReviewStore:
    """Writes and publishes reviews.

    Parameters
    ----------
    dynamodb, events
        Clients.
    settings
        Settings with the results table, the event bus, the classes, and the loading bays.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        events: "EventBridgeClient",
        settings: JoinReviewsSettings,
    ) -> None:
        self.records = ReviewRecords(dynamodb, settings.results_table)
        self.bus = events
        self.class_names = settings.class_names
        self._event_bus = settings.event_bus
        self._bays = settings.loading_bays

    def publish(self, event: PhotoReviewed) -> None:
        """Put an event on the stack's bus; PutEvents answers 200 also where it takes none."""
        entry = {
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": event.model_dump_json(),
            "EventBusName": self._event_bus,
        }
        response = self.bus.put_events(Entries=[entry])  # type: ignore[list-item]
        if response["FailedEntryCount"]:
            rejected = response["Entries"][0]
            raise OperationError(
                f"the bus {self._event_bus} rejected the event: "
                f"{rejected.get('ErrorCode')}: {rejected.get('ErrorMessage')}"
            )

    def event_of(self, record: Record, review: Review) -> PhotoReviewed:
        """Return the event of a review, or of its undoing.

        Parameters
        ----------
        record, review
            The photo, and its review as it is now.
        """
        decision, withdrawal = record.decision, review.withdrawal
        assert decision.label is not None  # noqa: S101  # a photo that waits was classified
        assert decision.confidence is not None  # noqa: S101
        label = None if withdrawal else review.label
        return PhotoReviewed(
            version="1",
            outcome="withdrawn" if withdrawal else review.outcome,
            photo=decision.photo,
            label=label,
            loading_bay=self._bays.get(label) if label else None,
            guess=decision.label,
            confidence=decision.confidence,
            by=withdrawal.by if withdrawal else review.by,
            at=withdrawal.at if withdrawal else review.at,
            reviewed_version=review.reviewed_version,
        )

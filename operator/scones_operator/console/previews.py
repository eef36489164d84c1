"""Photos as any browser shows them, whatever format they came in."""

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from scones.photos import UnusablePhoto
from scones.records import read_record
from scones.reviews.labeled_photos import is_photo_stored, read_photo
from scones_operator.aws.stack import Stack
from scones_operator.errors import PreconditionError
from scones_operator.escaping import quote
from scones_operator.photos.decoding import decode_photo

if TYPE_CHECKING:
    import boto3

CACHE_SIZE = 24
"""So many pictures are kept, some 10 MB: those that were looked at last."""


class PreviewCache:
    """Makes pictures of photos, and keeps the latest.

    Parameters
    ----------
    session, stack
        Where.
    """

    def __init__(self, session: "boto3.Session", stack: Stack) -> None:
        self._session = session
        self._stack = stack
        self._previews: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, photo: str, version: str) -> bytes:
        """Return a photo as JPEG, upright and without metadata.

        Parameters
        ----------
        photo, version
            As the results table's key has them; of what has no record nothing is shown.

        Raises
        ------
        PreconditionError
            If there is no such photo, or it can't be shown.
        """
        with self._lock:
            cached = self._previews.pop((photo, version), None)
        preview = (
            cached if cached and self._is_stored(photo, version) else self._make(photo, version)
        )
        with self._lock:
            self._previews[photo, version] = preview
            while len(self._previews) > CACHE_SIZE:
                self._previews.popitem(last=False)
        return preview

    def _is_stored(self, photo: str, version: str) -> bool:
        return is_photo_stored(self._session.client("s3"), photo, version)

    def _make(self, photo: str, version: str) -> bytes:
        client = self._session.client("dynamodb")
        record = read_record(client, self._stack.results_table, photo, version)
        if record is None:
            raise PreconditionError(f"there is no record of {quote(photo)}, version {version}")
        try:
            data = read_photo(self._session.client("s3"), record)
            return decode_photo(data).data
        except UnusablePhoto as error:
            raise PreconditionError(f"the photo cannot be shown: {error}") from None

"""An S3 whose listings a test decides: their order, their pages, and which prefix ends first."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError


def etag(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class FakeS3:
    """The calls of an S3 client that listing a dataset makes.

    Parameters
    ----------
    objects
        Content by key, in the order that they are listed in: unlike S3's own, any.
    page_size
        Objects a page.
    before_page
        Called with the prefix before each page of it.
    """

    def __init__(
        self,
        objects: Mapping[str, bytes],
        page_size: int = 2,
        before_page: Callable[[str], None] = lambda prefix: None,
    ) -> None:
        self._objects = objects
        self._page_size = page_size
        self._before_page = before_page
        self.uploaded: dict[str, str] = {}

    def get_paginator(self, operation: str) -> "FakeS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[Any]:  # noqa: N803
        keys = [key for key in self._objects if key.startswith(Prefix)]
        if Delimiter:
            below = [key.removeprefix(Prefix) for key in keys]
            folders = dict.fromkeys(path.split("/")[0] for path in below if "/" in path)
            yield {"CommonPrefixes": [{"Prefix": f"{Prefix}{name}/"} for name in folders]}
            keys = [f"{Prefix}{path}" for path in below if "/" not in path]
        for start in range(0, len(keys), self._page_size):
            self._before_page(Prefix)
            yield {"Contents": self._entries(keys[start : start + self._page_size])}

    def _entries(self, keys: Sequence[str]) -> list[Any]:
        return [
            {"Key": key, "Size": len(self._objects[key]), "ETag": f'"{etag(self._objects[key])}"'}
            for key in keys
        ]

    def upload_file(self, path: str, bucket: str, key: str, **_: Any) -> None:
        self.uploaded[key.rpartition("/")[2]] = Path(path).read_text("utf-8")

    def get_object(self, Bucket: str, Key: str) -> Any:  # noqa: N803
        if Key in self._objects:
            return {"Body": io.BytesIO(self._objects[Key])}
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "none"}}, "GetObject")

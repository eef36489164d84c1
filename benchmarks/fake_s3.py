"""Makes up what S3 answers, below botocore: no network, and everything above it as it is."""

import io
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

PAGE_SIZE = 1000
DATASET = "dataset/"
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class FakeS3:
    """A bucket with so many photos of each class below ``dataset/``, listed 1,000 a page.

    Parameters
    ----------
    class_names
        Names of the folders.
    pages_per_class
        How many pages each of them has.
    """

    def __init__(self, class_names: Sequence[str], pages_per_class: int) -> None:
        self._class_names = class_names
        self._pages_each = pages_per_class
        self._objects = _page_of_objects()

    def handle_requests_of(self, client: Any) -> None:
        """Answer all that a client asks from now on."""
        client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        query = {name: values[0] for name, values in _query(request.url).items()}
        if request.method == "GET" and "list-type" in query:
            return _reply(request, self._folders() if "delimiter" in query else self._page(query))
        if request.method == "GET":
            return _reply(request, f"{_XML}<Error><Code>NoSuchKey</Code></Error>".encode(), 404)
        _discard_body(request.body)
        if request.method == "POST" and "uploads" in query:
            upload = f"{_XML}<InitiateMultipartUploadResult {_NAMESPACE}><UploadId>1</UploadId>"
            return _reply(request, f"{upload}</InitiateMultipartUploadResult>".encode())
        if request.method == "POST":
            done = f"{_XML}<CompleteMultipartUploadResult {_NAMESPACE}/>"
            return _reply(request, done.encode())
        return _reply(request, b"")

    def _folders(self) -> bytes:
        prefixes = "".join(
            f"<CommonPrefixes><Prefix>{quote(DATASET + name)}/</Prefix></CommonPrefixes>"
            for name in self._class_names
        )
        return _listing(prefixes.encode(), len(self._class_names), None)

    def _page(self, query: Mapping[str, str]) -> bytes:
        number = int(query.get("continuation-token", "0"))
        objects = self._objects.replace(b"{PAGE}", b"%04x" % number)
        objects = objects.replace(b"{PREFIX}", quote(query["prefix"]).encode())
        more = number + 1 if number + 1 < self._pages_each else None
        return _listing(objects, PAGE_SIZE, more)


def _page_of_objects() -> bytes:
    """Return a page's objects, as S3 writes them; page and prefix are to be filled in.

    One in a hundred is no photo. Only filling in makes a page cheap: it must not hide in the bare
    loop what listing costs.
    """
    random_numbers = random.Random(1)  # noqa: S311
    parts = []
    for number in range(PAGE_SIZE):
        name = f"IMG_{{PAGE}}{number:04}%20%28front%20gate%29"
        suffix = ".txt" if number % 100 == 0 else random_numbers.choice([".jpg", ".JPG", ".png"])
        parts.append(
            f"<Contents><Key>{{PREFIX}}{name}{suffix}</Key>"
            f"<LastModified>2026-{1 + number % 12:02}-{1 + number % 28:02}T09:14:31.000Z"
            "</LastModified>"
            f"<ETag>&quot;{{PAGE}}{random_numbers.getrandbits(112):028x}&quot;</ETag>"
            "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
            f"<Size>{random_numbers.randint(100_000, 9_000_000)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    return "".join(parts).encode()


def _listing(content: bytes, count: int, more: int | None) -> bytes:
    rest = "" if more is None else f"<NextContinuationToken>{more}</NextContinuationToken>"
    head = (
        f"{_XML}<ListBucketResult {_NAMESPACE}><Name>data</Name><KeyCount>{count}</KeyCount>"
        f"<MaxKeys>{PAGE_SIZE}</MaxKeys><EncodingType>url</EncodingType>"
        f"<IsTruncated>{'false' if more is None else 'true'}</IsTruncated>{rest}"
    )
    return head.encode() + content + b"</ListBucketResult>"


def _query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def _discard_body(body: Any) -> None:
    """Read what is uploaded, as sending it would."""
    while hasattr(body, "read") and body.read(1 << 20):
        pass


class _Raw(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        while chunk := self.read(1 << 16):
            yield chunk


def _reply(request: AWSPreparedRequest, content: bytes, status: int = 200) -> AWSResponse:
    headers = HTTPHeaders.from_dict({"Content-Type": "application/xml", "ETag": '"1"'})
    return AWSResponse(request.url, status, headers, _Raw(content))

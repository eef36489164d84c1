"""A run of `retrain` in an S3 bucket, for the tests of the steps that work on it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from tests.unit.in_moto import put_object

BUCKET = "data"
NAME = "scones-20261102031500-4f9a1c"
PHOTOS = f"s3://{BUCKET}/dataset/validation/"

_SESSION = boto3.Session("testing", "testing", region_name="us-east-1")
"""One for all tests: it reads botocore's description of S3, which takes a while, once."""


def s3_client() -> Any:
    """A client that makes the data bucket, and does not retry."""
    client = _SESSION.client("s3", config=Config(retries={"total_max_attempts": 1}))
    client.create_bucket(Bucket=BUCKET)
    return client


@dataclass
class StoredRun:
    """What is in the bucket."""

    client: Any

    def put(self, key: str, body: bytes) -> None:
        put_object(BUCKET, key, body)

    def get(self, path: str) -> Any:
        return self.client.get_object(Bucket=BUCKET, Key=f"retraining/{NAME}/{path}")

    def names(self, folder: str) -> list[str]:
        prefix = f"retraining/{NAME}/{folder}"
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [entry["Key"].removeprefix(prefix) for entry in found]

    def put_lists(
        self, classes: Sequence[int], class_names: Sequence[str] = ("a", "b"), negatives: int = 0
    ) -> None:
        """Lists of photos of these class indices, and of photos of none of the classes."""
        lines = [f"{index}\t{actual}\tc/{index}.png\n" for index, actual in enumerate(classes)]
        self.put_list("".join(lines))
        manifest: dict[str, Any] = {"class_names": list(class_names), "fingerprint": "f" * 64}
        if negatives:
            manifest["negatives"] = {"counts": {"train": 0, "validation": negatives}}
            indices = range(len(classes), len(classes) + negatives)
            self.put_list(
                "".join(f"{index}\t{len(class_names)}\tn/{index}.png\n" for index in indices),
                "negatives.lst",
            )
        self.put(f"retraining/{NAME}/lists/manifest.json", json.dumps(manifest).encode())

    def put_list(self, text: str, name: str = "validation.lst") -> None:
        self.put(f"retraining/{NAME}/lists/{name}", text.encode())

    def put_picture(self, index: int, suffix: str = ".png") -> None:
        self.put(f"retraining/{NAME}/pictures/{index}{suffix}", f"picture {index}".encode())

    def predict(self, who: str, index: int, answer: object, suffix: str = ".png") -> None:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.put(f"retraining/{NAME}/predictions/{who}/{index}{suffix}.out", text.encode())


def photo(colour: tuple[int, int, int] = (200, 10, 10), format_name: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, format_name)
    return file.getvalue()


def break_call(client: Any, operation: str, code: str, status: int) -> None:
    """Let S3 answer all further calls of one operation with an error."""

    def fail(**_: object) -> None:
        raise ClientError(
            {
                "Error": {"Code": code, "Message": "says why"},
                "ResponseMetadata": {"HTTPStatusCode": status},
            },
            operation,
        )

    client.meta.events.register(f"before-call.s3.{operation}", fail)

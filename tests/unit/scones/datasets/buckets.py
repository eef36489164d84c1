"""A data bucket in moto, filled with made-up photos, and what a run wrote to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scones.datasets.generate import generate_lists
from scones.datasets.manifest import GeneratedLists
from scones.lst import LstEntry, read
from scones.settings import GenerateListsSettings
from tests.unit.in_moto import put_object

BUCKET = "data"
RUN = "scones-20261102031500-4e68ad"

ENVIRONMENT = {
    "DATA_BUCKET": BUCKET,
    "CLASS_NAMES": "van,bicycle",
    "IMAGE_SHAPE": "3,32,32",
    "ALGORITHM": "own",
    "HYPERPARAMETERS": "mini_batch_size=2",
    "VALIDATION_SHARE": "0.1",
}


def settings(**changes: str) -> GenerateListsSettings:
    return GenerateListsSettings.read({**ENVIRONMENT, **changes})


@dataclass(frozen=True)
class DataBucket:
    """The bucket; keys are relative to ``dataset/``."""

    client: Any

    def fill(self, *keys: str) -> None:
        """Put photos whose content is their key."""
        for key in keys:
            self.put(key, key.encode())

    def fill_class(self, folder: str, count: int) -> None:
        self.fill(*(f"{folder}/{number}.jpg" for number in range(count)))

    def put(self, key: str, body: bytes) -> None:
        put_object(BUCKET, f"dataset/{key}", body)

    def generate(self, **changes: str) -> GeneratedLists:
        return generate_lists(self.client, RUN, settings(**changes))

    def text(self, name: str) -> str:
        key = f"retraining/{RUN}/lists/{name}"
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body.decode()

    def entries(self, side: str) -> list[LstEntry]:
        return list(read(self.text(f"{side}.lst").splitlines()))

    def classes(self, side: str) -> dict[str, int]:
        """Return class index by path."""
        return {entry.path: entry.class_index for entry in self.entries(side)}

    def written(self) -> set[str]:
        prefix = f"retraining/{RUN}/lists/"
        page = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return {entry["Key"].removeprefix(prefix) for entry in page.get("Contents", [])}

    def manifest(self) -> Mapping[str, Any]:
        return json.loads(self.text("manifest.json"))

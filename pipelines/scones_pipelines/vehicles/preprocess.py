"""List the dataset of a Scones stack for a retraining, and prepare its held-out photos.

The steps "Generate Lists" and "Prepare Pictures" of the state machine `retrain`, with the same
code. Runs in the processing image, with the permissions of the pipeline's role: the dataset is
listed in S3, not downloaded.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from scones.classes import classes_hash
from scones.datasets.errors import DatasetError
from scones.datasets.generate import generate_lists
from scones.datasets.manifest import GeneratedLists
from scones.prepared_images import THREADS, ImageBatch, prepare_images
from scones.runs import Run
from scones.settings import GenerateListsSettings
from scones.storage import StorageBusy, StorageRefused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def training_fingerprint(fingerprint: str, training_image: str) -> str:
    """Return what `retrain` compares to see whether a training would learn the same again.

    Parameters
    ----------
    fingerprint
        Fingerprint of the dataset and the hyperparameters.
    training_image
        URI of the training image.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(f"{fingerprint} {training_image} false".encode()).hexdigest()


def plan(
    lists: GeneratedLists, run: Run, settings: GenerateListsSettings, training_image: str
) -> dict[str, Any]:
    """Return what the steps after this one read of the plan.

    Parameters
    ----------
    lists
        From `scones.datasets.generate.generate_lists`.
    run
        The run.
    settings
        Classes and image shape.
    training_image
        URI of the training image.

    Returns
    -------
    dict
        All hyperparameters are strings. ``new`` is ``yes`` or ``no``. There is always a channel
        ``negatives``, because a pipeline cannot leave one out: without such photos it is the prefix
        of the lists, in which the trainer finds no photo.
    """
    channels = {name: channel.model_dump() for name, channel in lists.channels.items()}
    channels.setdefault("negatives", {"S3DataType": "S3Prefix", "S3Uri": run.uri("lists/")})
    made_from = training_fingerprint(lists.fingerprint, training_image)
    return {
        "run": run.name,
        "fingerprint": lists.fingerprint,
        "recipe": made_from,
        "new": "no" if made_from == lists.last_trained else "yes",
        "classes": classes_hash(settings.class_names, str(settings.image_shape)),
        "image_shape": str(settings.image_shape).replace(",", " "),
        "channels": channels,
        "hyperparameters": dict(lists.hyperparameters),
        "counts": {split: dict(counts) for split, counts in lists.counts.items()},
    }


def prepare_validation_images(
    client: "S3Client", run: Run, lists: GeneratedLists, settings: GenerateListsSettings
) -> int:
    """Write the images that the model is evaluated on and return the number of unusable photos.

    Parameters
    ----------
    client
        S3 client.
    run, lists, settings
        As for `plan`.
    """
    unreadable = 0
    for part in lists.batches:
        negatives = lists.negatives
        photos = lists.photos
        if part.list_file == "negatives.lst" and negatives is not None:
            photos = negatives.photos
        batch = ImageBatch(
            run=run.name, photos=photos, start=part.start, end=part.end, list_file=part.list_file
        )
        prepared = prepare_images(client, run.bucket, batch, settings.image_shape)
        unreadable += prepared.unreadable
        for example in prepared.examples:
            print(f"unusable photo {example}")
    return unreadable


def main() -> int:
    """Run the script and return its exit code."""
    options = _parser().parse_args()
    client = boto3.client(
        "s3",
        config=Config(
            retries={"mode": "adaptive", "total_max_attempts": 10}, max_pool_connections=THREADS
        ),
    )
    run = Run(options.bucket, options.run)
    try:
        settings = GenerateListsSettings.read(
            {
                "DATA_BUCKET": options.bucket,
                "CLASS_NAMES": options.class_names,
                "IMAGE_SHAPE": options.image_shape,
                "ALGORITHM": "own",
                "HYPERPARAMETERS": options.hyperparameters,
                "VALIDATION_SHARE": options.validation_share,
            }
        )
        lists = generate_lists(client, run.name, settings)
        unreadable = prepare_validation_images(client, run, lists, settings)
    except (DatasetError, StorageBusy, StorageRefused, ValueError) as error:
        print(error, file=sys.stderr)
        options.exit_message.write_text(str(error)[:1000], encoding="utf-8")
        return 1
    document = plan(lists, run, settings, options.training_image)
    text = json.dumps(document, indent=2)
    (options.output_plan / "plan.json").write_text(text, encoding="utf-8")
    print(f"Listed {document['counts']}; {unreadable} unusable held-out photos.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--class-names", required=True)
    parser.add_argument("--image-shape", required=True)
    parser.add_argument("--hyperparameters", default="")
    parser.add_argument("--validation-share", default="0.1")
    parser.add_argument("--training-image", required=True)
    parser.add_argument("--output-plan", type=Path, required=True)
    parser.add_argument("--exit-message", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

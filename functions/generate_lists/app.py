"""Step 1 of `retrain`: the lists of the dataset, and whether there is anything new in it."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from scones.datasets.generate import Request, generate_lists
from scones.settings import GenerateListsSettings

logger = Logger()
settings = GenerateListsSettings.read(os.environ)
# Unlike a state of classify this one may wait: a page that S3 throttles is worth asking for again
# before a thousand that were listed are thrown away.
s3 = boto3.client("s3", config=Config(retries={"mode": "adaptive", "total_max_attempts": 10}))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """List the dataset for the run in the event; see `scones.datasets.generate`."""
    run = Request.model_validate(event).run
    lists = generate_lists(s3, run, settings)
    logger.info("listed", extra={"run": run, "counts": lists.counts, "skipped": lists.skipped})
    return lists.model_dump(mode="json")

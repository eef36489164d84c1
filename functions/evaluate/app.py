"""A step of `retrain`: whether the new model is good enough, and better than the old one."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from scones.evaluation import evaluate, publish
from scones.evaluation.evaluate import Request
from scones.evaluation.plots import plot_all
from scones.evaluation.predictions import THREADS
from scones.evaluation.verdict import Limits
from scones.settings import EvaluateSettings

logger = Logger()
settings = EvaluateSettings.read(os.environ)
limits = Limits(
    settings.minimum_accuracy,
    settings.accuracy_margin,
    settings.wanted_precision,
    settings.familiarity_limit,
)
s3 = boto3.client("s3", config=Config(max_pool_connections=THREADS))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Evaluate the run in the event; see `scones.evaluation.evaluate`."""
    request = Request.model_validate(event)
    report = evaluate(s3, settings.data_bucket, request, settings.class_names, limits)
    summary = publish(s3, settings.data_bucket, report, plot_all(report))
    logger.info(report.verdict.verdict, extra={"evaluation": summary})
    return summary

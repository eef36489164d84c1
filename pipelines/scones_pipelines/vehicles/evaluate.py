"""Evaluate the predictions of a new model as the state machine `retrain` does.

The step "Evaluate", with the same code and the same report in the run's folder. Runs in the
processing image after the batch transforms.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from scones.classes import parse_class_names
from scones.datasets.generate import LAST_TRAINED_KEY
from scones.endpoint import UnusablePrediction
from scones.evaluation import evaluate, publish
from scones.evaluation.evaluate import NoPredictions, Request
from scones.evaluation.plots import plot_all
from scones.evaluation.predictions import THREADS
from scones.evaluation.verdict import Limits
from scones.runs import Run, RunIncomplete, RunOutdated
from scones.storage import StorageBusy, StorageRefused, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FAILURES = (
    NoPredictions,
    UnusablePrediction,
    RunIncomplete,
    RunOutdated,
    StorageBusy,
    StorageRefused,
    ValueError,
)


def registration_metadata(
    plan: dict[str, Any], summary: dict[str, Any], artifacts: str, etag: str
) -> dict[str, str]:
    """Return the metadata of the model version that depend on this execution.

    Parameters
    ----------
    plan
        Written by ``preprocess.py``.
    summary
        Result of `scones.evaluation.publish`.
    artifacts, etag
        S3 URI of ``model.tar.gz``, and its entity tag.

    Returns
    -------
    dict of str to str
        Names and values are those that `retrain` registers.
    """
    candidate = summary["candidate"]
    familiarity = candidate["familiarity"]
    threshold, auroc = candidate["threshold"], familiarity and familiarity["auroc"]
    return {
        "fingerprint": plan["fingerprint"],
        "classes": plan["classes"],
        "artifacts": artifacts,
        "artifacts_etag": etag,
        "accuracy": _number(candidate["accuracy"]),
        "calibration_error": _number(candidate["calibration_error"]),
        "threshold": _number(threshold),
        "photos": _number(candidate["photos"]),
        "negatives": _number(familiarity["negatives"] if familiarity else 0),
        "familiarity_auroc": _number(auroc),
    }


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.15g}"


def save_fingerprint(client: "S3Client", run: Run, recipe: str) -> None:
    """Write what was trained last, where `retrain` reads and writes it too.

    Parameters
    ----------
    client
        S3 client.
    run
        The run.
    recipe
        From the plan.
    """
    body = json.dumps({"fingerprint": recipe, "run": run.name}).encode()
    with s3_errors(f"write s3://{run.bucket}/{LAST_TRAINED_KEY}"):
        client.put_object(
            Bucket=run.bucket, Key=LAST_TRAINED_KEY, Body=body, ContentType="application/json"
        )


def entity_tag(client: "S3Client", uri: str) -> str:
    """Return the entity tag of an object without its quotation marks.

    Parameters
    ----------
    client
        S3 client.
    uri
        S3 URI of the object.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with s3_errors(f"read {uri}"):
        return client.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')


def main() -> int:
    """Run the script and return its exit code."""
    options = _parser().parse_args()
    client = boto3.client("s3", config=Config(max_pool_connections=THREADS))
    run = Run(options.bucket, options.run)
    plan = json.loads((options.input_plan / "plan.json").read_text(encoding="utf-8"))
    champion = json.loads((options.input_champion / "champion.json").read_text(encoding="utf-8"))
    limits = Limits(
        options.minimum_accuracy,
        options.accuracy_margin,
        options.wanted_precision,
        options.familiarity_limit,
    )
    request = Request(run=run.name, champion=champion["champion"], champion_fault=champion["fault"])
    names = parse_class_names(options.class_names)
    try:
        report = evaluate(client, run.bucket, request, names, limits)
        summary = publish(client, run.bucket, report, plot_all(report))
        etag = entity_tag(client, options.artifacts)
        save_fingerprint(client, run, plan["recipe"])
    except _FAILURES as error:
        print(error, file=sys.stderr)
        options.exit_message.write_text(str(error)[:1000], encoding="utf-8")
        return 1
    files = {
        "evaluation.json": summary,
        "registration.json": registration_metadata(plan, summary, options.artifacts, etag),
    }
    for name, document in files.items():
        text = json.dumps(document, indent=2, ensure_ascii=False)
        (options.output_evaluation / name).write_text(text, encoding="utf-8")
    print(f"{summary['verdict']}: {summary['message']}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--class-names", required=True)
    parser.add_argument("--artifacts", required=True)
    parser.add_argument("--minimum-accuracy", type=float, required=True)
    parser.add_argument("--accuracy-margin", type=float, required=True)
    parser.add_argument("--wanted-precision", type=float, default=0.99)
    parser.add_argument("--familiarity-limit", type=float, default=0.05)
    parser.add_argument("--input-plan", type=Path, required=True)
    parser.add_argument("--input-champion", type=Path, required=True)
    parser.add_argument("--output-evaluation", type=Path, required=True)
    parser.add_argument("--exit-message", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

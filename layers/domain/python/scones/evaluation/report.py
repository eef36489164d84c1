"""The report of an evaluation: what `evaluation.json` holds, and where it goes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scones.decisions import DECIMALS
from scones.evaluation.model_metrics import ModelMetrics, NotEvaluated
from scones.evaluation.verdict import Limits, Verdict
from scones.runs import Run, write_once

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VERSION = "1"
"""Version of the file's format. A field may be added within a version; nothing else changes."""

FILE = "evaluation/evaluation.json"

SUMMARY = ("accuracy", "photos", "recall", "calibration_error", "threshold", "familiarity")
"""What a state machine is told of each model."""


@dataclass(frozen=True)
class EvaluationReport:
    """Everything that was found out of a run's model.

    Attributes
    ----------
    run
        Name of the run.
    fingerprint
        Of what it trained on.
    class_names
        In the order of the class indices.
    without_prediction
        How many photos of the validation list have none, for the most part because they can't be
        read.
    verdict
        Whether the model is good enough.
    limits
        What it was held against.
    candidate
        The new model.
    champion
        The model in production on the same photos.
    """

    run: str
    fingerprint: str
    class_names: Sequence[str]
    without_prediction: int
    verdict: Verdict
    limits: Limits
    candidate: ModelMetrics
    champion: ModelMetrics | NotEvaluated

    @property
    def champion_message(self) -> str | None:
        """Why the model in production was not judged; None where it was."""
        return self.champion.reason if isinstance(self.champion, NotEvaluated) else None

    def document(self) -> dict[str, Any]:
        """Return the content of evaluation.json."""
        return {
            "version": VERSION,
            "run": self.run,
            "fingerprint": self.fingerprint,
            "class_names": list(self.class_names),
            "without_prediction": self.without_prediction,
            "limits": asdict(self.limits),
            **asdict(self.verdict),
            "candidate": _round(asdict(self.candidate)),
            "champion": None
            if isinstance(self.champion, NotEvaluated)
            else _round(asdict(self.champion)),
            "champion_message": self.champion_message,
        }

    def summary(self, uri: str) -> dict[str, Any]:
        """Return what the state machine goes on with; `uri` is where the document is."""
        document = self.document()
        champion = document["champion"]
        return {
            "verdict": document["verdict"],
            "message": document["message"],
            "candidate": _summary(document["candidate"]),
            "champion": champion and _summary(champion),
            "champion_message": self.champion_message,
            "evaluation": uri,
        }


def publish(
    client: "S3Client", bucket: str, report: EvaluationReport, plots: Mapping[str, bytes]
) -> dict[str, Any]:
    """Write a report and its pictures beside the run's lists.

    Parameters
    ----------
    client
        An S3 client.
    bucket
        The data bucket.
    report
        The report.
    plots
        PNG files by name.

    Returns
    -------
    dict
        The report's answer.

    Raises
    ------
    StorageBusy, StorageRefused
        As `scones.storage.s3_errors`.
    """
    run = Run(bucket, report.run)
    for name, data in plots.items():
        write_once(client, run, f"evaluation/{name}", data, "image/png")
    text = json.dumps(report.document(), indent=2, ensure_ascii=False) + "\n"
    write_once(client, run, FILE, text.encode(), "application/json")
    return report.summary(run.uri(FILE))


def _summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics[name] for name in SUMMARY}


def _round(value: Any) -> Any:
    """Round the numbers in JSON data, so that everyone writes them alike."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, Mapping):
        return {name: _round(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_round(member) for member in value]
    return value

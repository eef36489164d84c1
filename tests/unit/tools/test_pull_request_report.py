"""The report of a pull request: figures of `make run`, changes in IAM."""

import json
from pathlib import Path

import pytest

from tools import pull_request_report
from tools.pull_request_report import main, make_report, render_figures

SUMMARY = {
    "photos": 40,
    "classified": 30,
    "needs_review": 8,
    "rejected": 2,
    "failed": 0,
    "unfamiliar": 3,
    "accuracy": 0.9737,
    "accepted_accuracy": None,
    "latency_ms": {"p50": 288.9, "p95": None},
    "training": {"accuracy": 0.95, "seconds": 61.4},
    "seconds": 130.0,
}


def test_figures() -> None:
    lines = render_figures(SUMMARY).splitlines()
    assert lines[:2] == ["| `make run` | |", "|---|---|"]
    assert lines[2:] == [
        "| photos | 40: 30 classified, 8 needs review, 2 rejected, 0 failed |",
        "| unfamiliar | 3 |",
        "| accuracy | 97.4% |",
        "| accuracy of the classified | unknown |",
        "| upload to decision, p50 | 289 ms |",
        "| upload to decision, p95 | unknown |",
        "| accuracy of the training | 95.0% |",
        "| training | 61 s |",
        "| whole run | 130 s |",
    ]


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"origin/main": "IAM: no changes\n"}
    monkeypatch.setattr(pull_request_report, "render_since", changes.__getitem__)


@pytest.mark.usefixtures("base")
def test_a_run_and_changes(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    report = make_report(tmp_path / "summary.json", "origin/main")
    assert report == f"{render_figures(SUMMARY)}\nIAM: no changes\n"


@pytest.mark.usefixtures("base")
def test_a_run_that_failed_is_reported(tmp_path: Path) -> None:
    report = make_report(tmp_path / "summary.json", "origin/main")
    assert report.startswith("`make run` left no figures")
    assert "IAM: no changes" in report


def test_a_report_that_is_too_long_for_a_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(f"- added number {number:05d}\n" for number in range(5000))
    monkeypatch.setattr(pull_request_report, "render_since", lambda _: lines)
    report = make_report(tmp_path / "summary.json", "origin/main")
    assert len(report) < 65_536
    *_, last, _, note = report.splitlines()
    assert last in lines.splitlines()
    assert "`make iam-diff` prints all changes" in note


@pytest.mark.usefixtures("base")
def test_the_report_is_the_summary_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.setattr(pull_request_report, "SUMMARY", tmp_path / "summary.json")
    monkeypatch.setattr(pull_request_report, "OUTPUT", tmp_path / "build" / "report.md")
    assert main(["origin/main"]) == 0
    report = (tmp_path / "build" / "report.md").read_text()
    assert page.read_text() == f"Before\n{report}"
    assert capsys.readouterr().out == report


def test_an_unknown_base(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-revision"]) == 2
    assert "error: " in capsys.readouterr().err

"""Operate a Scones stack on AWS, or the local cloud with --local.

Exit codes: 0 success; 1 different outcome than requested, such as not promoted, or not possible in
the current state; 2 usage error; 3 error, such as a missing permission or a failed training; 130
interrupted with Ctrl-C.
"""

import os
import sys
from collections.abc import Callable

import typer

from cli.commands import (
    captures,
    copying,
    data,
    deleting,
    doctor,
    drift,
    executions,
    forget,
    init,
    models,
    profiles,
    promoting,
    redriving,
    reporting,
    results,
    retraining,
    reviewing,
    showing,
    simulating,
    threshold,
    uploading,
)
from cli.desk import FAULT, at_desk, remember, with_options
from operations.escaping import print_traceback

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
)
app.callback()(with_options(remember))


data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Stage photos for training: train/CLASS/ and validation/CLASS/.",
)


def _add(command: Callable[..., None], example: str, group: typer.Typer = app) -> None:
    group.command(epilog=f"Example: {example}", no_args_is_help=False)(at_desk(command))


# Help lists them in this order: photos, people, the model, watching it, data, a new project.
_add(uploading.upload, "scones upload photos/north-gate --wait")
_add(results.results, "scones results --status needs_review --since 2h")
_add(showing.show, "scones show north-gate/7.jpg")
_add(redriving.redrive, "scones redrive --failed --dry-run")
_add(reviewing.review, "scones review --limit 50")
_add(reviewing.label, "scones label north-gate/7.jpg motorcycle")
_add(reviewing.console, "scones console --port 8765 --no-open")
_add(forget.forget, "scones forget incoming/north-gate/7.jpg --dry-run")
_add(retraining.retrain, "scones retrain --wait")
_add(models.models, "scones models --limit 5")
_add(models.approve, 'scones approve 3 --comment "looks good" --wait')
_add(models.reject, 'scones reject 3 --comment "confuses vans with cars"')
_add(copying.copy, "scones copy 3 --from-stack scones-staging --from-profile staging")
_add(promoting.promote, "scones promote --approve 3 --wait")
_add(promoting.rollback, "scones rollback 2 --wait")
_add(promoting.host, "scones host s3://DATA_BUCKET/models/model.tar.gz --wait")
_add(threshold.threshold, "scones threshold --precision 0.99")
_add(executions.executions, "scones executions retrain --limit 5")
_add(captures.captures, "scones captures --since 2h --to captured")
_add(simulating.simulate, "scones simulate --count 100 --rate 5")
_add(reporting.report, "scones report --since 7d --truth labels.csv --open")
_add(drift.drift, "scones drift --json")
_add(doctor.doctor, "scones doctor --stack scones-staging --region eu-central-1")
_add(profiles.profiles, "scones profiles vehicles")
_add(deleting.delete, "scones delete --dry-run")
_add(init.init, "scones init ../my-photos ../my-project")

app.add_typer(data_app, name="data")
_add(data.cifar100, "scones data cifar100 --class bus --class pickup_truck", data_app)
_add(data.ham10000, "scones data ham10000 dataverse_files.zip --upload", data_app)
_add(data.folder, "scones data folder scans --like mammography-views --mirror", data_app)
_add(data.upload, "scones data upload data/cifar100", data_app)


def main() -> None:
    """Run a command; a fault of ours is shown with its trace."""
    # Reports, captures and datasets hold photos: they are for this user only.
    os.umask(0o077)
    try:
        app()
    except Exception:
        print_traceback()
        sys.exit(FAULT)


if __name__ == "__main__":
    main()

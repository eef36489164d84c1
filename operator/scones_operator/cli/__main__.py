"""Operate a Scones stack on AWS, or the local cloud with --local.

Exit codes: 0 success; 1 different outcome than requested, such as not promoted, or not possible in
the current state; 2 usage error; 3 error, such as a missing permission or a failed training; 130
interrupted with Ctrl-C.
"""

import os
import sys
from collections.abc import Callable

import typer

from scones_operator.cli.commands import (
    captures,
    copy,
    data,
    delete,
    doctor,
    drift,
    executions,
    forget,
    init,
    models,
    presets,
    promote,
    redrive,
    report,
    results,
    retrain,
    review,
    show,
    simulate,
    threshold,
    upload,
)
from scones_operator.cli.context import (
    EXIT_ERROR,
    pass_command_context,
    store_options,
    with_options,
)
from scones_operator.escaping import print_traceback

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
)
app.callback()(with_options(store_options))


data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Stage photos for training: train/CLASS/ and validation/CLASS/.",
)


def _add(command: Callable[..., None], example: str, group: typer.Typer = app) -> None:
    group.command(epilog=f"Example: {example}", no_args_is_help=False)(
        pass_command_context(command)
    )


# Help lists them in this order: photos, people, the model, watching it, data, a new project.
_add(upload.upload, "scones upload photos/north-gate --wait")
_add(results.results, "scones results --status needs_review --since 2h")
_add(show.show, "scones show north-gate/7.jpg")
_add(redrive.redrive, "scones redrive --failed --dry-run")
_add(review.review, "scones review --limit 50")
_add(review.label, "scones label north-gate/7.jpg motorcycle")
_add(review.console, "scones console --port 8765 --no-open")
_add(forget.forget, "scones forget incoming/north-gate/7.jpg --dry-run")
_add(retrain.retrain, "scones retrain --wait")
_add(models.models, "scones models --limit 5")
_add(models.approve, 'scones approve 3 --comment "looks good" --wait')
_add(models.reject, 'scones reject 3 --comment "confuses vans with cars"')
_add(copy.copy, "scones copy 3 --from-stack scones-staging --from-profile staging")
_add(promote.promote, "scones promote --approve 3 --wait")
_add(promote.rollback, "scones rollback 2 --wait")
_add(promote.host, "scones host s3://DATA_BUCKET/models/model.tar.gz --wait")
_add(threshold.threshold, "scones threshold --precision 0.99")
_add(executions.executions, "scones executions retrain --limit 5")
_add(captures.captures, "scones captures --since 2h --output-dir captured")
_add(simulate.simulate, "scones simulate --count 100 --rate 5")
_add(report.report, "scones report --since 7d --truth labels.csv --open")
_add(drift.drift, "scones drift --json")
_add(doctor.doctor, "scones doctor --stack scones-staging --region eu-central-1")
_add(presets.presets, "scones presets vehicles")
app.command("profiles", hidden=True)(pass_command_context(presets.presets))
_add(delete.delete, "scones delete --dry-run")
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
        sys.exit(EXIT_ERROR)


if __name__ == "__main__":
    main()

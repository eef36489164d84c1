"""The operator's commands, against AWS and against the embedded cloud (--local) alike.

Exit codes: 0 done as asked; 1 it came out otherwise, such as not promoted, or can't be done as
things are; 2 wrong usage; 3 a fault, such as a missing permission or a failed training.
"""

import sys
import traceback
from collections.abc import Callable

import typer

from cli.commands import models, promoting, retraining
from cli.desk import FAULT, at_desk, remember, with_options

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
)
app.callback()(with_options(remember))


def _add(command: Callable[..., None], example: str) -> None:
    app.command(epilog=f"Example: {example}", no_args_is_help=False)(at_desk(command))


_add(retraining.retrain, "scones retrain --wait")
_add(models.models, "scones models --limit 5")
_add(models.approve, 'scones approve 3 --comment "looks good" --wait')
_add(models.reject, 'scones reject 3 --comment "confuses vans with cars"')
_add(promoting.promote, "scones promote --approve 3 --wait")
_add(promoting.rollback, "scones rollback 2 --wait")
_add(promoting.host, "scones host s3://DATA_BUCKET/models/model.tar.gz --wait")


def main() -> None:
    """Run a command; a fault of ours is shown with its trace."""
    try:
        app()
    except Exception:
        traceback.print_exc()
        sys.exit(FAULT)


if __name__ == "__main__":
    main()

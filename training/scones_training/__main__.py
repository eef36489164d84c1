"""The commands a SageMaker container is started with: ``train`` and ``serve``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scones_training.paths import Paths

REQUEST_QUEUE_SIZE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
"""How idle OpenMP threads wait: spinning as long as is the default makes training three times
slower beside other busy processes, and GNU's, not spinning at all, by a third on a free machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        The command line without the program's name; by default this process's own.

    Returns
    -------
    int
        The exit status.
    """
    options = _parser().parse_args(arguments)
    paths = Paths(options.root)
    if options.command == "train":
        os.environ |= REQUEST_QUEUE_SIZE | os.environ  # read once, when PyTorch is loaded
        from scones_training import job  # noqa: PLC0415  serving must not need what training imports

        return job.run(paths)
    from scones_training import serve  # noqa: PLC0415  and the other way round

    return serve.run(paths, options.host, options.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train a model and write it to ROOT/model")
    serve = commands.add_parser("serve", help="answer /ping and /invocations from ROOT/model")
    for command in (train, serve):
        command.add_argument("--root", type=Path, default=Path("/opt/ml"), help="default: /opt/ml")
    serve.add_argument("--host", default="0.0.0.0", help="default: 0.0.0.0")  # noqa: S104  in a container
    serve.add_argument("--port", type=int, default=8080, help="default: 8080")
    return parser


if __name__ == "__main__":
    sys.exit(main())

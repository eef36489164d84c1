"""The commands that SageMaker starts a container with: ``train`` and ``serve``."""

import argparse
import sys
from pathlib import Path

from scones_local.images.xgboost.errors import UserError


def main() -> int:
    """Run a command and return its exit status."""
    options = _parser().parse_args()
    try:
        if options.command == "train":
            from scones_local.images.xgboost import train  # noqa: PLC0415  loads XGBoost

            train.run(options.root)
        else:
            from scones_local.images.xgboost import serve  # noqa: PLC0415  loads XGBoost

            serve.run(options.root, options.host, options.port)
    except UserError as error:
        print(f"UserError: {error}", flush=True)
        _write_failure(options.root, f"UserError: {error}")
        return 1
    return 0


def _write_failure(root: Path, reason: str) -> None:
    folder = root / "output"
    if folder.is_dir():
        (folder / "failure").write_text(reason)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scones_local.images.xgboost")
    parser.add_argument("command", choices=["train", "serve"])
    parser.add_argument("--root", type=Path, required=True, help="folder that replaces /opt/ml")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at")
    parser.add_argument("--port", type=int, default=8080, help="port to serve at")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""MiniStack writes into folders that are named when it is imported: import it with some of ours."""

import importlib
import tempfile
from pathlib import Path

import pytest

from scones_local.ministack import settings

_STATE = tempfile.TemporaryDirectory()
_SETTINGS = settings(Path(_STATE.name), 0, "unused", "unused")

with pytest.MonkeyPatch.context() as patch:
    for name in ("STATE_DIR", "S3_DATA_DIR"):
        patch.setenv(name, _SETTINGS[name])
    for module in ("core.persistence", "services.s3"):
        importlib.import_module(f"ministack.{module}")

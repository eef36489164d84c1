"""Save what the services store when the local cloud stops, and restore it at its next start.

MiniStack does so for its own services: it writes objects when they are put, everything else when
it is told to, and reads them when it starts. The embedded SageMaker is ours.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app as ministack
from ministack.core import persistence

from scones_local.cloud.state import StateFolder
from scones_local.ministack.patching import wrap
from scones_local.sagemaker import LocalSageMaker

_ATTEMPTS = 5
_RETRY_SECONDS = 0.2

_log = logging.getLogger("scones_local.ministack")


class StateStore:
    """Saves and restores what the services store.

    Parameters
    ----------
    folder
        The state folder.
    hosted
        The embedded SageMaker.
    """

    def __init__(self, folder: StateFolder, hosted: LocalSageMaker) -> None:
        self._folder = folder
        self._hosted = hosted

    def install(self) -> None:
        """Leave restoring and saving to `restore` and `save`."""
        # MiniStack starts empty if it cannot read a file, which is then overwritten at the end;
        # and it writes when it is told to stop, which is before the last work has ended.
        wrap(ministack, "_load_persisted_state", lambda _: lambda: None)
        wrap(ministack, "save_all", lambda _: lambda _: None)

    def restore(self) -> None:
        """Put back what was kept, before requests are served.

        Raises
        ------
        OSError
            If something that was kept cannot be read; names the service.
        """
        if self._folder.saved_at() is None:
            return
        for service, module in ministack._state_map.items():
            if _state_file(service).exists():
                _load_state(service, module)
        # Endpoints need roles and objects.
        self._hosted.restore(self._folder.sagemaker.read_bytes())

    def save(self) -> None:
        """Write what is stored.

        Raises
        ------
        OSError
            If something could not be written; names the services. What could be is written.
        """
        failed = []
        for service, get_state in ministack._build_persistence_save_dict().items():
            state = _copy_state(get_state)
            if state is not None and not _write_state(service, state):
                failed.append(service)
        saved = self._folder.sagemaker.with_suffix(".new")
        saved.touch(mode=0o600)
        saved.write_bytes(self._hosted.snapshot())
        saved.rename(self._folder.sagemaker)
        if failed:
            raise OSError(f"not kept: {', '.join(failed)}")
        self._folder.mark_saved()


def _copy_state(get_state: Callable[[], Any]) -> Any:
    """Take a copy of a service's state; what still runs may change it meanwhile."""
    for _ in range(_ATTEMPTS):
        try:
            return get_state()
        except RuntimeError:  # a dictionary changed its size
            time.sleep(_RETRY_SECONDS)
    return get_state()


def _write_state(service: str, state: Any) -> bool:
    """Write a service's state; MiniStack logs a failure, and says nothing."""
    file = _state_file(service)
    before = file.stat().st_ino if file.exists() else None
    persistence.save_state(service, state)
    return file.exists() and file.stat().st_ino != before


def _load_state(service: str, module: str) -> None:
    state = persistence.load_state(service)
    if state is None:
        raise OSError(f"what is kept of {service} cannot be read: {_state_file(service)}")
    if state:
        ministack._get_module(module).load_persisted_state(state)


def _state_file(service: str) -> Path:
    return Path(persistence.STATE_DIR) / f"{service}.json"

"""The folders, environment and command of a Lambda function's process.

A function finds what it finds on AWS and nothing else: its own code, its layers merged into one
folder, the packages of AWS's runtime, and the documented environment variables. The development
virtual environment stays invisible, so a package that a layer lacks fails here as it would there.
"""

import hashlib
import os
import platform
import shutil
import sys
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from scones_local.lambda_runtime.debugging import DebugRequest
from scones_local.lambda_runtime.packages import link_compiled, link_debugger, link_runtime

HOST_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""The interpreter that runs the local cloud, and functions."""

RUNTIME = "python3.12" if HOST_PYTHON == "python3.11" else HOST_PYTHON
"""Name of the one runtime of the local cloud.

Python 3.11 runs functions here, but the template does not accept it: on Lambda its glibc is too old
for the photo decoders. So it goes by the name of the next one."""

_PROCESS = Path(__file__).with_name("process.py")


@dataclass(frozen=True)
class FunctionFolders:
    """Where a function's process finds its files.

    Attributes
    ----------
    task
        The deployment package, `/var/task` on AWS.
    opt
        The layers, merged in their order, `/opt` on AWS.
    host
        This machine's builds of what the layers have compiled for Linux; None on Linux.
    """

    task: Path
    opt: Path
    host: Path | None


class PythonRuntime:
    """The folders and processes of Lambda functions.

    Parameters
    ----------
    root
        Folder that holds the runtime's packages and the functions' extracted code.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._packages = root / "runtime"
        self._extracting = threading.Lock()
        self._debugger = root / "debugger"
        link_runtime(self._packages)

    def folders(self, code: bytes, layers: Sequence[bytes]) -> FunctionFolders:
        """Extract a function's code and layers, once for each distinct content.

        Parameters
        ----------
        code
            The deployment package, a zip archive.
        layers
            The layers' zip archives in the function's order; a later one overwrites an earlier.

        Raises
        ------
        zipfile.BadZipFile
            If one of them is no zip archive.
        LayerMismatchError
            If a layer has a compiled package that this machine has not in the same version.
        """
        # One at a time: concurrent cold starts of one function share these folders.
        with self._extracting:
            task = _extract_once(self._root / "task", [code])
            opt = _extract_once(self._root / "opt", layers)
            # AWS runs Linux, and so `sam build` takes Linux's wheels, whatever it runs on.
            host = None if platform.system() == "Linux" else self._root / "host" / opt.name
            if host is not None and not host.exists():
                link_compiled(_package_folders(opt), host)
            return FunctionFolders(task, opt, host)

    def scratch(self, name: str) -> Path:
        """Make the private temporary folder of one execution environment."""
        folder = self._root / "tmp" / name
        folder.mkdir(parents=True)
        return folder

    def environment(
        self,
        folders: FunctionFolders,
        scratch: Path,
        reserved: Mapping[str, str],
        debug: DebugRequest | None = None,
    ) -> dict[str, str]:
        """Give the environment variables that the runtime itself sets.

        Parameters
        ----------
        folders
            The function's folders.
        scratch
            Its temporary folder.
        reserved
            The variables that say which function it is and as whom it acts.
        debug
            How it is to be debugged, None if it is not.
        """
        opt = folders.opt
        host = [folders.host] if folders.host else []
        sources = debug.code if debug else ()
        packages = [*sources, folders.task, *host, *_package_folders(opt), self._packages]
        return {
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "PATH": f"{opt / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "LD_LIBRARY_PATH": f"{folders.task}:{folders.task / 'lib'}:{opt / 'lib'}",
            "PYTHONPATH": os.pathsep.join(map(str, packages)),
            "TMPDIR": str(scratch),
            "LAMBDA_TASK_ROOT": str(folders.task),
            "LAMBDA_RUNTIME_DIR": str(self._packages),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            # Nothing is written beside the user's sources.
            **({"PYTHONDONTWRITEBYTECODE": "1"} if debug else {}),
            **reserved,
        }

    def command(self, handler: str, lifeline: int, debug: DebugRequest | None = None) -> list[str]:
        """Give the command line of a function's process.

        Parameters
        ----------
        handler
            The function's handler, such as ``app.handler``.
        lifeline
            The read end of a pipe, inherited by the process, that ends when we do.
        debug
            How it is to be debugged, None if it is not.
        """
        # -S: no site-packages of any kind; -P: the script's own folder is not importable.
        # The base interpreter knows no virtual environment.
        interpreter = getattr(sys, "_base_executable", None) or sys.executable
        process = ["-S", "-P", str(_PROCESS), str(lifeline), handler]
        if debug is None:
            return [interpreter, *process]
        link_debugger(self._debugger)
        debugger = [str(self._debugger), str(debug.port), str(debug.file)]
        # debugpy warns of modules that Python froze: it may miss breakpoints in them.
        return [interpreter, "-X", "frozen_modules=off", *process, *debugger]


def _package_folders(opt: Path) -> tuple[Path, Path]:
    """Where Python finds a layer's packages, as AWS documents it."""
    return opt / "python" / "lib" / RUNTIME / "site-packages", opt / "python"


def _extract_once(parent: Path, archives: Sequence[bytes]) -> Path:
    """Extract `archives` over each other into a folder named after their content."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(a).digest() for a in archives)).hexdigest()
    folder = parent / digest[:32]
    if folder.exists():
        return folder
    partial = parent / f"{digest[:32]}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for archive in archives:
        _extract(archive, partial)
    partial.rename(folder)
    return folder


def _extract(archive: bytes, folder: Path) -> None:
    with zipfile.ZipFile(BytesIO(archive)) as contents:
        for member in contents.infolist():
            target = Path(contents.extract(member, folder))
            mode = member.external_attr >> 16 & 0o777
            if mode and not member.is_dir():
                target.chmod(mode | 0o400)

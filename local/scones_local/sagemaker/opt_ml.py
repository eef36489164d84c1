"""Map ``/opt/ml`` to the folder of a job.

A container is a process that sees the files of this computer, where ``/opt/ml`` does not exist. So
the paths below it are replaced by paths of the job's folder

- in the entry point, the arguments and the environment of a job;
- in the text of the scripts that the entry point or the arguments name, such as
  ``/opt/ml/processing/input/code/preprocess.py``, in the copy that the container runs.

Paths that modules imported by a script or other files contain are not replaced: such code has to
take its folders as arguments, which works on AWS too. Mounting a folder at ``/opt/ml`` would need
root and Linux.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_OPT_ML = re.compile(r"(?:(?<![\w./-])|(?<=file://))/opt/ml(?![\w-])")
_SCRIPT_ARGUMENT = re.compile(r"(?<![\w./-])/opt/ml/([\w./@+=-]+)")
_SCRIPTS = (".py", ".sh")


def relocate(text: str, root: Path) -> str:
    """Return a text with the paths below ``/opt/ml`` replaced by those below `root`."""
    return _OPT_ML.sub(lambda _: str(root), text)


def relocate_scripts(words: Iterable[str], root: Path) -> None:
    """Replace ``/opt/ml`` in the scripts that a command line names.

    Parameters
    ----------
    words
        Entry point and arguments as the request has them.
    root
        Folder that replaces ``/opt/ml``; the scripts lie in it.
    """
    for name in {name for word in words for name in _SCRIPT_ARGUMENT.findall(word)}:
        path = root / name
        if path.suffix in _SCRIPTS and ".." not in path.parts and path.is_file():
            path.write_bytes(_relocate_script(path.read_bytes(), root))


def _relocate_script(script: bytes, root: Path) -> bytes:
    try:
        return relocate(script.decode(), root).encode()
    except UnicodeDecodeError:
        return script

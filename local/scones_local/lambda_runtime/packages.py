"""Packages of the development environment that functions see, as links: the runtime's, the host's.

The runtime's are those that AWS's Python runtimes bring. The host's stand in for what a layer has
compiled for Linux, where this machine runs something else.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

# What AWS's Python runtimes bring, and their runtime client with what that needs.
_PROVIDED_BY_LAMBDA = (
    "awslambdaric",
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot-restore-py",
    "urllib3",
)

# awslambdaric's only extension, which its installation builds on Linux alone.
_RUNTIME_CLIENT = "runtime_client"


class LayerMismatchError(RuntimeError):
    """A layer has a package that this machine can't stand in for; the message says what to do."""


def link_runtime(folder: Path) -> None:
    """Fill `folder`, emptied first, with links to the packages that AWS's runtime brings."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _PROVIDED_BY_LAMBDA:
        _link(metadata.distribution(name), folder)
    if not any(folder.glob(f"{_RUNTIME_CLIENT}.*")):
        own = Path(__file__).with_name(f"{_RUNTIME_CLIENT}.py")
        (folder / own.name).symlink_to(own)


def link_debugger(folder: Path) -> None:
    """Fill `folder`, emptied first, with a link to debugpy and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    name = "debugpy"
    (folder / name).symlink_to(Path(str(metadata.distribution(name).locate_file(name))))


def link_compiled(layer: Sequence[Path], folder: Path) -> None:
    """Fill `folder`, emptied first, with this machine's builds of what a layer has compiled.

    Parameters
    ----------
    layer
        The folders of a layer that are on the path of a function.
    folder
        Where the links go.

    Raises
    ------
    LayerMismatchError
        If the development environment has not the very version that the layer has.
    """
    here = [_find_installed(bundled) for bundled in _compiled_distributions(layer)]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for distribution in here:
        _link(distribution, folder)


def _compiled_distributions(layer: Iterable[Path]) -> Iterator[metadata.Distribution]:
    for found in metadata.distributions(path=[str(folder) for folder in layer]):
        # A wheel tells so of itself: https://packaging.python.org/specifications/binary-distribution-format
        if "root-is-purelib: true" not in (found.read_text("WHEEL") or "").lower():
            yield found


def _find_installed(bundled: metadata.Distribution) -> metadata.Distribution:
    required = f"{bundled.name} {bundled.version}"
    try:
        here = metadata.distribution(bundled.name)
    except metadata.PackageNotFoundError:
        found = "is not installed"
    else:
        if here.version == bundled.version:
            return here
        found = f"has version {here.version}"
    raise LayerMismatchError(
        f"A layer holds {required} compiled for Linux; its place is taken here by this machine's "
        f"own build of it, which {found} in the development environment. Pin {bundled.name} to the "
        "same version in both, and install again."
    )


def _link(distribution: metadata.Distribution, folder: Path) -> None:
    tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for top in tops:
        (folder / top).symlink_to(Path(str(distribution.locate_file(top))))

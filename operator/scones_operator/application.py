"""Find the files of the application: in its checkout, or copied into the installed package."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
"""Root of the repository, if this package is used from there."""

_INSTALLED = Path(__file__).parent / "application"


def find_application_file(name: str) -> Path:
    """Return the path of a file or folder of the application.

    Parameters
    ----------
    name
        Path relative to the root of the repository: ``template.yaml`` or ``presets``. A wheel
        contains no others (`force-include` in pyproject.toml).
    """
    installed = _INSTALLED / name
    return installed if installed.exists() else CHECKOUT / name

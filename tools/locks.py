"""The packages that are installed somewhere, as the locks pin them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

TORCH = "training/requirements-torch.txt"
LOCKS = {
    "application layers": (
        "layers/dependencies/requirements.txt",
        "layers/photos/requirements.txt",
        "layers/plots/requirements.txt",
    ),
    "training image": ("training/requirements.txt", TORCH),
    "development environment": ("requirements.lock", TORCH),
    "template scan": ("tools/checkov/requirements.txt",),
    "pipelines": ("pipelines/requirements.lock",),
    "processing image": ("pipelines/image.txt",),
}
"""What is made of which locks, by their paths in the repository."""

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<sha256>[0-9a-f]{64})")


class Pin(NamedTuple):
    """A locked version of a package.

    Attributes
    ----------
    name, version
        As in the package index.
    hashes
        SHA-256 of each of its files, in hexadecimal.
    """

    name: str
    version: str
    hashes: tuple[str, ...]


def read_pins(lock: Path) -> Iterator[Pin]:
    """Yield the packages of a lock, of all Pythons and platforms.

    Raises
    ------
    ValueError
        If a line pins no exact version.
    """
    text = re.sub(r"^#.*\n", "", lock.read_text("utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        pin = _PIN.match(line)
        if pin is None:
            raise ValueError(f"{lock} has no exact version in the line: {line}")
        yield Pin(pin["name"], pin["version"], tuple(_HASH.findall(line)))

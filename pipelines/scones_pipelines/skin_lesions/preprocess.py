"""Split the photos of HAM10000 by lesion, and list them for the trainer.

Runs in the processing image. The archive is what Dataverse gives, one zip or the files in it
(https://doi.org/10.7910/DVN/DBW86T), and is read as `scones data ham10000` reads it.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scones.lst import LstEntry, write
from scones_operator.datasets.ham10000 import CLASSES, read_staged_paths, stage
from scones_operator.errors import PreconditionError
from scones_operator.progress import ItemProgress

SPLITS = ("train", "validation", "test")

Shares = tuple[float, float]
"""Shares of the lesions to validate on and to test on."""


def find_archive(folder: Path) -> Path:
    """Return what to read: the one zip of a folder, or the folder with the published files.

    Parameters
    ----------
    folder
        Folder of the input.

    Raises
    ------
    PreconditionError
        If the folder is empty.
    """
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if not files:
        raise PreconditionError(
            "the input is empty: upload the zip of HAM10000, or name it with ArchiveKey"
        )
    only = files[0]
    whole = len(files) == 1 and only.suffix == ".zip" and "images_part" not in only.name
    return only if whole else folder


def split(archive: Path, folder: Path, shares: Shares) -> Mapping[str, str]:
    """Write the photos to ``train``, ``validation`` and ``test``, one folder per class.

    Return the photos that cannot be decoded, which are in none of the folders: the reason by name.

    All photos of a lesion are in the same split: a hash of its ID decides. Raising a share moves
    lesions into that split and none out of it.

    Parameters
    ----------
    archive
        From `find_archive`.
    folder
        Parent of the three folders.
    shares
        Their sum is below 1.

    Raises
    ------
    PreconditionError
        If the archive cannot be used, or a class has no photo in one of the splits.
    """
    validation, test = shares
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise PreconditionError(
            f"shares {validation:g} and {test:g}: both are above 0, their sum is below 1"
        )
    staged = stage(archive, folder, validation + test, _ignore_progress)
    for staged_path in read_staged_paths(archive, test).values():
        held_out = folder / "validation" / staged_path.label / staged_path.name
        if staged_path.split == "validation" and held_out.is_file():
            target = folder / "test" / staged_path.label / staged_path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            held_out.rename(target)
    _require_all_classes(folder)
    return staged.unusable


def _ignore_progress(amount: ItemProgress) -> None:
    """Show no progress: a job's log keeps every line."""


def _require_all_classes(folder: Path) -> None:
    for name in SPLITS:
        missing = [label for label in CLASSES if not count_photos(folder / name)[label]]
        if missing:
            raise PreconditionError(
                f"no photo of {', '.join(missing)} in the split {name}: raise its share, or use "
                "more photos"
            )


def count_photos(folder: Path) -> Counter[str]:
    """Return the number of photos by class.

    Parameters
    ----------
    folder
        Folder of a split.
    """
    return Counter(path.parent.name for path in folder.glob("*/*.jpg"))


def list_file_entries(folder: Path, class_names: Sequence[str] = CLASSES) -> list[LstEntry]:
    """Return the entries of a list of the photos of a split, sorted by class and name.

    Parameters
    ----------
    folder
        Folder of the split.
    class_names
        Classes in the order of their indices.
    """
    paths = [
        (index, f"{name}/{photo.name}")
        for index, name in enumerate(class_names)
        for photo in sorted((folder / name).glob("*.jpg"))
    ]
    return [LstEntry(number, index, path) for number, (index, path) in enumerate(paths)]


def summary(folder: Path, unusable: int) -> Mapping[str, Any]:
    """Return the numbers of photos; hyperparameters are strings, as SageMaker wants them.

    Parameters
    ----------
    folder
        Parent of the splits' folders.
    unusable
        Number of photos that cannot be decoded.
    """
    counts = {name: dict(count_photos(folder / name)) for name in SPLITS}
    photos = sum(counts["train"].values())
    return {
        "counts": counts,
        "unusable": unusable,
        "hyperparameters": {
            "num_classes": str(len(CLASSES)),
            "num_training_samples": str(photos),
            "mini_batch_size": str(min(32, photos)),
        },
    }


def main() -> int:
    """Run the script and return its exit code."""
    options = _parser().parse_args()
    folder = options.output_train.parent
    shares = (options.validation_share, options.test_share)
    try:
        unusable = split(find_archive(options.input_archive), folder, shares)
    except PreconditionError as error:
        print(error, file=sys.stderr)
        # The paths are those of the container; the text is at most 1 KB.
        options.exit_message.write_text(str(error)[:1000], encoding="utf-8")
        return 1
    for name, problem in unusable.items():
        print(f"{name}: excluded, it cannot be decoded: {problem}", file=sys.stderr)
    for name in ("train", "validation"):
        target = getattr(options, f"output_{name}_lst") / f"{name}.lst"
        target.write_text("".join(write(list_file_entries(folder / name))), encoding="utf-8")
    document = summary(folder, len(unusable))
    text = json.dumps(document, indent=2)
    (options.output_summary / "summary.json").write_text(text, encoding="utf-8")
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input-archive", type=Path, required=True)
    for name in (*SPLITS, "train_lst", "validation_lst", "summary"):
        # Folders of one parent: the staging writes the splits beside each other.
        parser.add_argument(f"--output-{name}", type=Path, required=True)
    parser.add_argument("--validation-share", type=float, default=0.1)
    parser.add_argument("--test-share", type=float, default=0.1)
    parser.add_argument("--exit-message", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The command `python -m scones_local.samples FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

from scones_local.samples import generate


def main(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    per_class: Annotated[int, typer.Option(min=0, help="Training pictures of each class.")] = 100,
    validation_per_class: Annotated[
        int, typer.Option(min=0, help="Validation pictures of each class.")
    ] = 40,
    negatives: Annotated[int, typer.Option(min=0, help="Pictures of none of the classes.")] = 40,
    photos: Annotated[int, typer.Option(min=0, help="Sample photos in all.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 1,
) -> None:
    """Write a dataset and sample photos of drawn bicycles and motorcycles."""
    try:
        samples = generate(
            folder,
            per_class=per_class,
            validation_per_class=validation_per_class,
            negatives=negatives,
            photos=photos,
            seed=seed,
        )
    except FileExistsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(
        f"Dataset: {samples.dataset}\nPhotos: {samples.photos}\nWhat they are: {samples.manifest}"
    )


if __name__ == "__main__":
    typer.run(main)

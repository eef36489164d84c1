"""Photos and decisions as a working day brings them, for pages that are looked at."""

import random
from datetime import UTC, datetime, timedelta
from io import BytesIO

from scones.events import PhotoDecided
from scones.records import Record, Review
from scones_local.samples.bicycles import Bicycle
from scones_local.samples.motorcycles import Motorcycle
from scones_local.samples.rendering import render_photo
from tests.unit.operator.reviewed import Office
from tests.unit.results_table import START, decided, put_record

DESIGNS = {"bicycle": Bicycle, "motorcycle": Motorcycle}


def photo(name: str, seed: int, size: tuple[int, int] = (640, 480)) -> bytes:
    """Draw a photo of a class, as JPEG."""
    rng = random.Random(seed)
    file = BytesIO()
    render_photo(rng, DESIGNS[name].design(rng), size).save(file, "JPEG", quality=85)
    return file.getvalue()


def minutes_from_start(ago: float) -> float:
    """So many minutes ago, as `decided` counts them."""
    return (datetime.now(UTC) - timedelta(minutes=ago) - START).total_seconds() / 60


def wait(office: Office, count: int) -> list[Record]:
    """Let drawn photos wait for a person, the first the longest."""
    names = list(DESIGNS)
    return [
        office.arrive(
            f"north gate {number + 1}.jpg",
            minutes_from_start(30 - 2 * number),
            photo(names[number % 2], number),
        )
        for number in range(count)
    ]


def pass_a_day(office: Office, count: int) -> None:
    """Let photos have been decided during the last day."""
    rng = random.Random(7)
    for number in range(count):
        _decide(office, rng, number, 24 * 60 * (1 - number / count))


def _decide(office: Office, rng: random.Random, number: int, ago: float) -> None:
    label = rng.choice(["bicycle", "bicycle", "motorcycle"])
    confidence = min(0.999, rng.betavariate(9, 1) + 0.05)
    status = "classified" if confidence >= 0.93 else "needs_review"
    changes = {
        "label": label,
        "confidence": confidence,
        "probabilities": {
            name: confidence if name == label else 1 - confidence for name in DESIGNS
        },
        "loading_bay": "A" if label == "bicycle" else "B",
    }
    if number % 25 == 0:
        status, changes = rng.choice(["rejected", "failed"]), {}
    minutes = minutes_from_start(ago)
    event = decided(f"gate/{number:04}.jpg", status, minutes, **changes)
    said = {"queue": "none", "review": review_of(label)} if status == "needs_review" else {}
    put_record(office.table, office.stack.results_table, event, **said)


def review_of(label: str) -> str:
    """Return a review by ben, as the record holds it."""
    review = Review(id="1", outcome="labelled", label=label, by="ben", at=datetime.now(UTC))
    return review.model_dump_json()


def classified(office: Office, name: str, ago: float = 0) -> PhotoDecided:
    """Let a photo have been classified, so many minutes ago."""
    event = decided(name, "classified", minutes_from_start(ago))
    put_record(office.table, office.stack.results_table, event)
    return event

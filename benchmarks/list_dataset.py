"""Measures what listing a dataset of a million photos costs beside the bare loop over its pages.

The S3 client is botocore's own with its own paginator; only the answers of the network are made up,
so a page costs what a page of S3 costs once it has arrived: XML of 1,000 objects, to be parsed. The
bare loop asks for the same pages of the same classes, one after the other, and touches each key.
Each run has a process of its own, for its time and its peak memory.

What else the machine does slows one run and not another. So the bare loop runs before and after,
its faster run counts, and both wall time and processor time are compared. A ratio below 1 says that
the machine was too busy to tell: `generate_lists` does all that the bare loop does, and more.

Ends with exit code 1 if `generate_lists` takes more than 1.3 times the bare loop by either, more
than 200 MB, or if the machine was too busy to tell.
"""

import argparse
import itertools
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from benchmarks.fake_s3 import DATASET, PAGE_SIZE, FakeS3
from scones.datasets.generate import generate_lists
from scones.settings import GenerateListsSettings

MAX_RATIO = 1.3
MAX_MEGABYTES = 200
BUCKET = "data"
CLASSES = ("van", "bicycle", "scooter", "motorcycle", "cargo bike")
PAGE_COUNT = 5
"""Pages a class that the second comparison holds in memory."""


@dataclass(frozen=True)
class Measurement:
    """What one run took.

    Attributes
    ----------
    seconds
        Wall time.
    processor_seconds
        Processor time of all threads.
    megabytes
        Peak of the process's resident memory, in 10**6 bytes.
    objects
        How many objects it saw.
    """

    seconds: float
    processor_seconds: float
    megabytes: float
    objects: int


def list_dataset(client: Any) -> int:
    """Generate the lists, and return how many objects were counted."""
    settings = GenerateListsSettings.read(
        {
            "DATA_BUCKET": BUCKET,
            "CLASS_NAMES": ",".join(CLASSES),
            "IMAGE_SHAPE": "3,224,224",
            "ALGORITHM": "builtin",
            "HYPERPARAMETERS": "epochs=30",
            "VALIDATION_SHARE": "0.1",
        }
    )
    lists = generate_lists(client, "benchmark", settings)
    listed = sum(sum(counts.values()) for counts in lists.counts.values())
    return listed + sum(lists.skipped.values())


def loop_over_pages(client: Any) -> int:
    """Touch each key of each page, and return how many there are."""
    seen = 0
    for name in CLASSES:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"{DATASET}{name}/"
        )
        for page in pages:
            for entry in page["Contents"]:
                seen += bool(entry["Key"])
    return seen


def create_client(pages_per_class: int) -> Any:
    """Return an S3 client to which a bucket with so many pages a class is made up."""
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
    )
    FakeS3(CLASSES, pages_per_class).handle_requests_of(client)
    return client


class ParsedPages:
    """An S3 client whose pages are parsed already: the same few, again and again."""

    def __init__(self, pages_per_class: int) -> None:
        self._pages_each = pages_per_class
        paginator = create_client(PAGE_COUNT).get_paginator("list_objects_v2")
        self._top = list(paginator.paginate(Bucket=BUCKET, Prefix=DATASET, Delimiter="/"))
        self._pages = {
            prefix: list(paginator.paginate(Bucket=BUCKET, Prefix=prefix))
            for prefix in (f"{DATASET}{name}/" for name in CLASSES)
        }

    def get_paginator(self, operation: str) -> "ParsedPages":
        """Return what has a method `paginate`."""
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[Any]:  # noqa: N803
        """Yield pages."""
        if Delimiter:
            yield from self._top
        else:
            yield from itertools.islice(itertools.cycle(self._pages[Prefix]), self._pages_each)

    def get_object(self, **_: Any) -> Any:
        """Find nothing."""
        raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")

    def upload_file(self, *_: Any) -> None:
        """Send nothing."""


def measure(
    make_client: Callable[[int], Any], work: Callable[[Any], int], pages_per_class: int
) -> Measurement:
    """Run a piece of work in a new process."""
    # A forked process would begin with this one's memory.
    new = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=new) as pool:
        return pool.submit(_measure_here, make_client, work, pages_per_class).result()


def _measure_here(
    make_client: Callable[[int], Any], work: Callable[[Any], int], pages_per_class: int
) -> Measurement:
    client = make_client(pages_per_class)
    started_at, processor_started_at = time.perf_counter(), time.process_time()
    objects = work(client)
    seconds = time.perf_counter() - started_at
    processor_seconds = time.process_time() - processor_started_at
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB on Linux
    return Measurement(seconds, processor_seconds, peak * unit / 1e6, objects)


def print_measurement(name: str, measured: Measurement) -> None:
    """Print one run's figures."""
    measurement = measured.seconds / measured.objects * 1e6
    print(
        f"  {name:<15} {measured.objects:>9,} objects {measured.seconds:>7.1f} s "
        f"{measured.processor_seconds:>7.1f} s of processor {measurement:>6.1f} us each "
        f"{measured.megabytes:>5.0f} MB",
        flush=True,
    )


def measure_and_print(
    name: str, make_client: Callable[[int], Any], work: Callable[[Any], int], pages_per_class: int
) -> Measurement:
    """Run a piece of work in a new process and print its figures."""
    measured = measure(make_client, work, pages_per_class)
    print_measurement(name, measured)
    return measured


def find_problems(bare: Sequence[Measurement], listed: Measurement) -> list[str]:
    """Print the ratios, and say what is wrong with them; nothing if all limits are kept."""
    wall = listed.seconds / min(run.seconds for run in bare)
    processor = listed.processor_seconds / min(run.processor_seconds for run in bare)
    print(
        f"{wall:.2f} times the bare loop by wall time, {processor:.2f} by processor time (limit "
        f"{MAX_RATIO}); {listed.megabytes:.0f} MB (limit {MAX_MEGABYTES})"
    )
    problems = []
    if any(run.objects != listed.objects for run in bare):
        problems.append("not the same objects were seen")
    if max(wall, processor) > MAX_RATIO:
        problems.append(f"more than {MAX_RATIO} times the bare loop")
    if min(wall, processor) < 1:
        problems.append("the machine was too busy to tell: run it again")
    if listed.megabytes > MAX_MEGABYTES:
        problems.append(f"more than {MAX_MEGABYTES} MB")
    return problems


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", type=int, default=1_000_000, help="default: 1,000,000")
    pages_per_class = -(-parser.parse_args().objects // (PAGE_SIZE * len(CLASSES)))

    print("Pages that are parsed already, to tell what the work on an object costs:")
    measure_and_print("bare loop", ParsedPages, loop_over_pages, pages_per_class)
    measure_and_print("generate_lists", ParsedPages, list_dataset, pages_per_class)

    print("Pages as S3 sends them:")
    before = measure_and_print("bare loop", create_client, loop_over_pages, pages_per_class)
    listed = measure_and_print("generate_lists", create_client, list_dataset, pages_per_class)
    after = measure_and_print("bare loop", create_client, loop_over_pages, pages_per_class)

    problems = find_problems([before, after], listed)
    print(f"BROKEN: {', '.join(problems)}" if problems else "All limits are kept.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""No file makes the reader of photos crash, nor take long, nor much memory.

``make fuzz`` tries many more.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

INPUTS = int(os.environ.get("FUZZ_INPUTS", "2000"))
PARTS = 4
MOST_SECONDS = 2.0
MOST_MIB = 500
ROOT = Path(__file__).parents[3]

READER = """
import json, random, resource, sys, time, warnings
from scones.photos import ImageShape, UnusablePhoto, prepare
from tests.integration.photos.mutations import mutated, seeds

warnings.simplefilter("ignore")
first, last = int(sys.argv[1]), int(sys.argv[2])
shape, photos = ImageShape.parse("3,64,64"), seeds()
for photo in photos.values():
    prepare(photo, shape)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
slowest, outcomes = (0.0, 0), {}
for number in range(first, last):
    name = list(photos)[number % len(photos)]
    data = mutated(name, photos[name], random.Random(number))
    start = time.process_time()
    try:
        outcome = "picture" if prepare(data, shape).size == shape.size else "another size"
    except UnusablePhoto as error:
        outcome = error.code
    slowest = max(slowest, (time.process_time() - start, number))
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kib = 1024 if sys.platform == "darwin" else 1
print(json.dumps({"slowest": slowest, "MiB": (after - before) / 1024 / kib, "outcomes": outcomes}))
"""
CODES = {
    "picture",
    "empty",
    "not_a_photo",
    "unsupported_format",
    "corrupt",
    "too_many_pixels",
    "too_narrow",
    "transparent",
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_photos_are_read_or_refused(part: int) -> None:
    first, last = INPUTS * part // PARTS, INPUTS * (part + 1) // PARTS
    # In a process of its own: its memory is measured, and it may crash.
    ended = subprocess.run(
        [sys.executable, "-c", READER, str(first), str(last)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert set(found["outcomes"]) <= CODES
    assert {"picture", "corrupt"} <= set(found["outcomes"]), "the mutations are too mild or wild"
    assert found["slowest"][0] < MOST_SECONDS, f"input {found['slowest'][1]}"
    assert found["MiB"] < MOST_MIB

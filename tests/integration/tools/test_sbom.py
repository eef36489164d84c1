import json
from typing import Any

import pytest

from tools.locks import LOCKS, ROOT, read_pins
from tools.sbom import make_sbom


@pytest.fixture(scope="module")
def bom() -> Any:
    return json.loads(make_sbom())  # which checks it against CycloneDX's schema


def test_the_bill_of_materials_has_all_that_is_locked(bom: Any) -> None:
    packages = {one["bom-ref"]: one for one in bom["components"] if one["type"] == "library"}
    depends = {entry["ref"]: set(entry.get("dependsOn", [])) for entry in bom["dependencies"]}
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    assert depends["scones"] == set(LOCKS)
    for part, locks in LOCKS.items():
        pins = {pin for lock in locks for pin in read_pins(ROOT / lock)}
        expected = {f"pkg:pypi/{pin.name}@{pin.version}" for pin in pins}
        assert depends[part] & set(packages) == expected
    pillow = next(package for package in packages.values() if package["name"] == "pillow")
    assert len(pillow["externalReferences"][0]["hashes"]) > 20


def test_the_bill_of_materials_has_the_base_of_the_training_image(bom: Any) -> None:
    (base,) = (one for one in bom["components"] if one["type"] == "container")
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in bom["dependencies"]}
    assert base["version"].startswith("sha256:")
    assert base["bom-ref"] in depends["training image"]

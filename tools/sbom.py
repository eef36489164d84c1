"""Lists all locked packages in CycloneDX: `python -m tools.sbom` writes build/sbom.cdx.json."""

import re
from importlib import metadata

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tools.locks import LOCKS, ROOT, Pin, read_pins

OUTPUT = ROOT / "build" / "sbom.cdx.json"


def make_sbom() -> str:
    """Return the bill of materials as JSON: what is made of which packages.

    Raises
    ------
    ValueError
        If it does not conform to CycloneDX's schema.
    """
    scones = Component(
        name="scones",
        version=metadata.version("scones"),
        type=ComponentType.APPLICATION,
        bom_ref="scones",
    )
    bom = Bom()
    bom.metadata.component = scones
    packages: dict[Pin, Component] = {}
    parts = []
    for part, locks in LOCKS.items():
        component = Component(name=part, type=ComponentType.APPLICATION, bom_ref=part)
        pins = {pin for lock in locks for pin in read_pins(ROOT / lock)}
        used = [packages.setdefault(pin, _package(pin)) for pin in sorted(pins)]
        bom.register_dependency(component, used)
        parts.append(component)
    base = _base_image()
    bom.register_dependency(next(part for part in parts if part.name == "training image"), [base])
    bom.components.update(parts, packages.values(), [base])
    bom.register_dependency(scones, parts)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of materials is invalid: {error}")
    return text


def _package(pin: Pin) -> Component:
    url = PackageURL("pypi", name=pin.name, version=pin.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(url.to_string()),
        comment="any of the files with these hashes",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256) for sha256 in pin.hashes],
    )
    return Component(
        name=pin.name,
        version=pin.version,
        purl=url,
        bom_ref=url.to_string(),
        type=ComponentType.LIBRARY,
        external_references=[files],
    )


def _base_image() -> Component:
    """Return the image that the training image is built on."""
    dockerfile = (ROOT / "training" / "Dockerfile").read_text("utf-8")
    base = re.search(r"^ARG BASE=(\w+):([^@\s]+)@(sha256:[0-9a-f]{64})$", dockerfile, re.MULTILINE)
    if base is None:
        raise ValueError("the base in training/Dockerfile has no digest")
    name, tag, digest = base.groups()
    url = PackageURL("oci", name=name, version=digest, qualifiers={"tag": tag})
    return Component(
        name=name,
        version=digest,
        purl=url,
        bom_ref=url.to_string(),
        type=ComponentType.CONTAINER,
    )


def main() -> None:
    """Write the bill of materials."""
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(make_sbom(), "utf-8")
    print(f"Written: {OUTPUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

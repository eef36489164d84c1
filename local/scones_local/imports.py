"""Optional packages that programs of the local cloud do not import, because it takes long."""

import sys


def skip_iri_formats() -> None:
    """Let jsonschema be imported as if rfc3987-syntax were not installed.

    It would build grammars of IRIs, which takes ten times as long as all the rest of jsonschema.
    The SAM translator and SAM CLI, which bring jsonschema but not this, check no IRIs; the list of
    locked packages (tools/sbom.py) needs it.
    """
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

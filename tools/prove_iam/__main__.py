"""Show for each statement of each role and managed policy what fails without it.

``make prove-iam`` runs the end-to-end tests, which leave recordings, and then this.
"""

import argparse
import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from tools.prove_iam import exceptions
from tools.prove_iam.deployment_test import failing_test
from tools.prove_iam.proof import Proof, prove
from tools.prove_iam.recording import FOLDER, INSTALLATION_TEST, Recording
from tools.scan_template import ROOT, translate

PROOF = Path("build/iam-proof.json")


def main() -> int:
    """Print the table, write the JSON, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.prove_iam")
    parser.add_argument(
        "--real", metavar="PATTERN", help="really remove these statements one by one"
    )
    parser.add_argument("--summary", action="store_true", help="print no table")
    options = parser.parse_args()
    files = sorted(FOLDER.glob("*.json"))
    if not files:
        sys.stderr.write(f"error: {FOLDER} has no recordings. Run `make prove-iam`\n")
        return 1
    recordings = [Recording.load(file) for file in files]
    resources = translate(ROOT / "template.yaml")["Resources"]
    proof = prove(recordings, resources, exceptions.load_exceptions())
    if options.real:
        _remove_for_real(proof, options.real)
    PROOF.write_text(json.dumps(proof.as_json(), indent=1), encoding="utf-8")
    if not options.summary:
        sys.stdout.writelines(f"{line}\n" for line in proof.table())
    sys.stdout.writelines(f"error: {problem}\n" for problem in proof.problems)
    whole = [part for part in proof.needed if part.place is None]
    excused = [part for part in proof.excused if part.place is None]
    print(f"{len(whole)} statements are needed, {len(excused)} are not provable here: {PROOF}")
    return 1 if proof.problems else 0


def _remove_for_real(proof: Proof, pattern: str) -> None:
    """Run the tests that need a statement without it, for all statements that match."""
    for part in proof.needed:
        if part.place or not fnmatchcase(part.name, pattern):
            continue
        tests = [test for test in proof.tests(part) if test != INSTALLATION_TEST]
        proof.failing[part.name] = failing = failing_test(part.name, tests)
        print(f"without {part.name}: {failing or 'no test'} fails", flush=True)
        if failing is None:
            proof.problems.append(f"{part.name} was removed, and no test fails")


if __name__ == "__main__":
    sys.exit(main())

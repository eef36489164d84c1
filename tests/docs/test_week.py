"""A week of work: docs/week.md, followed from the clone to `make down`."""

import pytest

from tests.doc_pages import Follower, read_sections
from tests.docs.conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def test_the_page_leads_through_a_week(newcomer: Follower) -> None:
    for blocks in read_sections(ROOT / "docs" / "week.md").values():
        for block in blocks:
            newcomer.follow(block)

"""The table of policies in docs/security.md is what the template has."""

from tools.generated_tables import END, begin_marker
from tools.policy_table import PAGE, ROOT, render
from tools.scan_template import translate


def test_the_page_has_the_template_s_table() -> None:
    _, _, rest = PAGE.read_text("utf-8").partition(begin_marker("policies"))
    table, _, _ = rest.partition(END)

    made = render(translate(ROOT / "template.yaml")["Resources"])
    assert table.strip() == made.strip(), "run `make policies`"
    assert "| HostingRole | WriteCaptures | s3:PutObject | `DataBucket/captures/*` |" in made

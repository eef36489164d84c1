"""Replace the tables in docs/ that are generated, between two comments that mark them."""

from pathlib import Path

END = "<!-- end -->\n"


def begin_marker(target: str) -> str:
    """Return the comment before a table, which names the make target that generates it."""
    return f"<!-- begin: made by `make {target}` -->\n"


def replace_table(page: Path, target: str, table: str) -> None:
    """Replace what is between the two comments.

    Parameters
    ----------
    page
        Markdown file with the comments.
    target
        Make target that generates the table, as the first comment names it.
    table
        Markdown.
    """
    begin = begin_marker(target)
    before, _, rest = page.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{begin}\n{table}\n{END}{after}", "utf-8")

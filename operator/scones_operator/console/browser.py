"""The user's browser is shown the way to the page, and nobody else is."""

import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import NamedTemporaryFile

_REDIRECT_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>Scones</title>
<a href="{url}">Open the page</a>
</html>
"""


@contextmanager
def open_in_browser(url: str) -> Iterator[None]:
    """Open a link in the user's browser by way of a file, which is deleted in the end.

    All users of a machine see the arguments that programs are started with; the file can be read by
    its owner only.

    Parameters
    ----------
    url
        The link, with what lets in.
    """
    with NamedTemporaryFile(
        "w", encoding="utf-8", prefix="scones-", suffix=".html"
    ) as redirect_page:
        redirect_page.write(_REDIRECT_PAGE.format(url=escape(url)))
        redirect_page.flush()
        webbrowser.open(Path(redirect_page.name).as_uri())
        yield

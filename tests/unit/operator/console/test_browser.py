from pathlib import Path
from stat import S_IMODE
from urllib.parse import unquote, urlsplit

import pytest

from scones_operator.console.browser import open_in_browser

URL = "http://127.0.0.1:8765/#token=secret&more=1"


def test_what_lets_in_is_in_a_file_of_the_user_alone_and_on_no_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started: list[str] = []
    monkeypatch.setattr("webbrowser.open", started.append)
    with open_in_browser(URL):
        (opened,) = started
        assert "secret" not in opened
        file = Path(unquote(urlsplit(opened).path))
        assert (urlsplit(opened).scheme, list(tmp_path.iterdir())) == ("file", [file])
        assert S_IMODE(file.stat().st_mode) == 0o600
        assert 'content="0; url=http://127.0.0.1:8765/#token=secret&amp;more=1"' in file.read_text()
    assert list(tmp_path.iterdir()) == []

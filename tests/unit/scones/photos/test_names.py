import pytest

from scones.photos.names import has_photo_suffix, is_hidden, is_system_file


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.JPEG", "b/a.Png", "a b (1).bmp", "a.b.webp", "a.HEIC"]
)
def test_photos_end_as_photos_do_in_any_case(name: str) -> None:
    assert has_photo_suffix(name)


@pytest.mark.parametrize("name", ["a", "jpg", "a.txt", "a.jpg.txt", "a.jpg/b", "a.jpg ", ""])
def test_other_names_do_not(name: str) -> None:
    assert not has_photo_suffix(name)


@pytest.mark.parametrize(
    "path",
    [
        *(".a.jpg", "b/.a.jpg", ".b/a.jpg", "c/.b/a.jpg", "__MACOSX/a.jpg"),
        *("b/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "@eaDir", "$RECYCLE.BIN/a.jpg"),
        *("System Volume Information/a", "lost+found"),
    ],
)
def test_hidden_files_and_what_is_in_hidden_folders(path: str) -> None:
    assert is_hidden(path)
    assert is_system_file(path)


@pytest.mark.parametrize("path", ["a.jpg", "b.c/a.jpg", "a__MACOSX.jpg", "_a.jpg", "@eaDir.jpg"])
def test_a_dot_within_a_name_hides_nothing(path: str) -> None:
    assert not is_hidden(path)
    assert not is_system_file(path)


@pytest.mark.parametrize("path", ["Thumbs.db", "b/thumbs.DB", "desktop.ini", "b/c/Desktop.ini"])
def test_what_file_managers_write_is_visible_but_nobodys(path: str) -> None:
    assert not is_hidden(path)
    assert is_system_file(path)


def test_names_that_end_like_a_file_managers_are_somebodys() -> None:
    assert not is_system_file("my thumbs.db")

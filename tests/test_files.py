"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from sisf.files import text_written_whole


def test_a_text_takes_the_place_of_the_old_one_with_its_permissions(tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.write_text("old")
    there.chmod(0o640)
    link.symlink_to(there)
    with text_written_whole(link) as file:
        file.write("new")
    assert (there.read_text(), there.stat().st_mode & 0o777, link.is_symlink()) == ("new", 0o640, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "there"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [{}, {"there": "old"}])
def test_what_fails_leaves_what_was_there(tmp_path: Path, before: dict[str, str], failure: BaseException) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(type(failure)):
        _begin(tmp_path / "there", failure)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == before


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    with text_written_whole(Path("/dev/null")) as file:
        file.write("gone")
    assert not Path("/dev/null").is_file()
    with pytest.raises(IsADirectoryError), text_written_whole(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), text_written_whole(tmp_path / "no" / "where"):
        pass


def _begin(path: Path, failure: BaseException) -> None:
    with text_written_whole(path) as file:
        file.write("half")
        raise failure

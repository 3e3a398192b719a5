from __future__ import annotations

from pathlib import Path

import pytest

from geo_urc.errors import OutputError
from geo_urc.outputs.staging import staged


def earlier(out: Path) -> Path:
    out.mkdir()
    (out / "run.json").write_text("old")
    (out / "old.txt").write_text("old")
    return out


def test_the_folder_appears_at_the_end_only(tmp_path):
    out = tmp_path / "new" / "结果"
    with staged(out) as folder:
        (folder / "run.json").write_text("x")
        assert not out.exists()
    assert (out / "run.json").read_text() == "x"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_run_that_dies_leaves_the_old_one(tmp_path, failure):
    out = earlier(tmp_path / "out")
    with pytest.raises(failure), staged(out, overwrite=True) as folder:
        (folder / "run.json").write_text("half")
        raise failure
    assert (out / "run.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_overwriting_replaces_the_whole_folder(tmp_path):
    out = earlier(tmp_path / "out")
    with staged(out, overwrite=True) as folder:
        (folder / "run.json").write_text("new")
    assert [path.name for path in out.iterdir()] == ["run.json"]
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_folder_may_be_filled(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with staged(out) as folder:
        (folder / "run.json").write_text("x")
    assert (out / "run.json").exists()


def test_a_filled_folder_is_kept_unless_asked(tmp_path):
    out = earlier(tmp_path / "out")
    with pytest.raises(OutputError, match="--overwrite"), staged(out):
        pytest.fail("must not start")
    assert (out / "old.txt").exists()


def test_a_folder_that_is_not_ours_is_never_replaced(tmp_path):
    out = tmp_path / "documents"
    out.mkdir()
    (out / "thesis.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"run\.json"), staged(out, overwrite=True):
        pytest.fail("must not start")
    assert (out / "thesis.txt").read_text() == "dear"


def test_a_file_in_the_way_is_named(tmp_path):
    out = tmp_path / "out"
    out.write_text("x")
    with pytest.raises(OutputError) as caught, staged(out, overwrite=True):
        pytest.fail("must not start")
    assert str(out) in str(caught.value)


def test_a_folder_filled_meanwhile_is_kept(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OutputError), staged(out):
        out.mkdir()
        (out / "other.txt").write_text("someone else")
    assert [path.name for path in out.iterdir()] == ["other.txt"]
    assert list(tmp_path.iterdir()) == [out]

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from geo_urc.errors import OutputError
from geo_urc.outputs import staging
from geo_urc.outputs.staging import recover, staged


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


# --- other processes ----------------------------------------------------------------------------

HOLD = """
import sys
from geo_urc.outputs.staging import staged
with staged(sys.argv[1], overwrite=True) as folder:
    (folder / "run.json").write_text("theirs")
    print("in", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(out: Path):
    """Have another process write to `out` until the block ends."""
    arguments = [sys.executable, "-c", HOLD, str(out)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout.readline() == "in\n"
    yield process
    process.communicate("")


def test_the_second_of_two_runs_is_refused_and_the_first_stands(tmp_path):
    out = earlier(tmp_path / "out")
    with another_run(out):
        with pytest.raises(OutputError, match="Another run"), staged(out, overwrite=True):
            pytest.fail("must not start")
        assert (out / "run.json").read_text() == "old"
    assert (out / "run.json").read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [out]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    out = earlier(tmp_path / "out")
    other = tmp_path / ".out.b.1.partial"  # of a folder out.b, perhaps being written
    other.mkdir()
    with another_run(out) as process:
        os.kill(process.pid, signal.SIGKILL)
    assert len([p for p in tmp_path.iterdir() if p.name.startswith(".out.")]) == 3
    with staged(out, overwrite=True) as folder:
        (folder / "run.json").write_text("new")
    assert (out / "run.json").read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [other, out]


# --- where two folders cannot change places in one step ------------------------------------------


@pytest.fixture
def two_renames(monkeypatch):
    monkeypatch.setattr(staging, "_change_places", lambda a, b: False)


def test_two_renames_replace_the_whole_folder_too(tmp_path, two_renames):
    out = earlier(tmp_path / "out")
    with staged(out, overwrite=True) as folder:
        (folder / "run.json").write_text("new")
    assert [path.name for path in out.iterdir()] == ["run.json"]
    assert list(tmp_path.iterdir()) == [out]


def killed_between_the_renames(tmp_path: Path) -> Path:
    """Leave things as they are between the two renames of a process that is gone."""
    out = earlier(tmp_path / "out")
    out.rename(tmp_path / ".out.99999999.old")
    partial = tmp_path / ".out.99999999.partial"
    partial.mkdir()
    (partial / "run.json").write_text("new")
    (tmp_path / ".out.lock").touch()
    return out


def test_a_kill_between_two_renames_is_mended_by_a_reader(tmp_path):
    out = killed_between_the_renames(tmp_path)
    recover(out)
    assert (out / "run.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_kill_between_two_renames_is_mended_by_the_next_run(tmp_path):
    out = killed_between_the_renames(tmp_path)
    with pytest.raises(OutputError, match="--overwrite"), staged(out):
        pytest.fail("must not start: the earlier result is there")
    assert (out / "run.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_reader_leaves_a_swap_in_progress_alone(tmp_path):
    out = tmp_path / "out"
    with another_run(out):
        old = tmp_path / ".out.99999999.old"
        old.mkdir()
        recover(out)
        assert old.exists() and not out.exists()
        shutil.rmtree(old)


def test_the_system_lets_folders_change_places(tmp_path):
    """On Linux nothing less than a step that cannot be seen half done is good enough."""
    if sys.platform != "linux":
        pytest.skip("Linux")
    a, b = tmp_path / "甲", tmp_path / "乙"
    for folder in (a, b):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    assert staging._change_places(a, b)
    assert ((a / "name").read_text(), (b / "name").read_text()) == ("乙", "甲")
    assert not staging._change_places(a, tmp_path / "丙")


# --- disks that refuse ---------------------------------------------------------------------------


def test_a_parent_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"), staged(tmp_path / "file" / "out"):
        pytest.fail("must not start")


WITHOUT_RIGHTS = "-dac_override,-dac_read_search"


def as_a_user(*command: str) -> list[str]:
    """Return a command that permissions hold for, whoever runs it."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        return [*command]
    if not shutil.which("setpriv"):
        pytest.skip("root without setpriv")
    return [
        "setpriv", f"--inh-caps={WITHOUT_RIGHTS}", f"--bounding-set={WITHOUT_RIGHTS}", *command,
    ]  # fmt: skip


def test_a_parent_that_cannot_be_written_is_told_before_the_work(tmp_path):
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    code = "from geo_urc.cli.main import main; main()"
    command = [sys.executable, "-c", code, "demo", "--lang", "en", "--out", str(shut / "a" / "out")]
    done = subprocess.run(as_a_user(*command), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be written: Permission denied" in done.stderr
    assert list(shut.iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_old_result(tmp_path):
    out = earlier(tmp_path / "out")
    with pytest.raises(OutputError, match="free space"), staged(out, overwrite=True) as folder:
        (folder / "run.json").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (out / "run.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]


FULL = """
import resource, sys
from geo_urc.cli.main import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


@pytest.mark.parametrize("limit", [1 << 12, 1 << 16, 1 << 19, 1 << 21])
def test_files_that_may_not_grow_stop_the_run_with_a_sentence(tmp_path, limit):
    """Each of the writers meets the end of the disk at one of the sizes."""
    if os.name == "nt":
        pytest.skip("limits of POSIX")
    out = earlier(tmp_path / "out")
    command = [sys.executable, "-c", FULL, str(limit), "demo", "--lang", "en", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr and "Internal error" not in done.stderr
    assert "free space" in done.stderr
    assert (out / "run.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [out]

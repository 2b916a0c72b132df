import argparse
import importlib
import pathlib
import sys

import pytest

from htt_jax.runs.directory import check_workdir
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.paths import expanded, is_bucket, place

COMMANDS = (
    *(f"htt_jax.{x}" for x in ("evaluate", "compare", "submit", "predict", "export")),
    *("htt_jax.from_pytorch", "data_prep.simulate"),
)
# Words in the names of options that are neither files nor folders.
NO_PATHS = {"help", "split", "step", "batch_size", "workers", "to", "fps", "camera", "rerun"}
NO_PATHS |= {"intrinsics_size", "hfov", "layout", "actions", "subjects", "repeats", "frames"}
NO_PATHS |= {"size", "seed", "quality", "lossless", "skip_bad", "depth"}
NO_PATHS |= {"seeds", "controls", "steps", "set", "early", "forecast", "hidden"}
NO_PATHS |= {"newest", "smooth", "smooth_2d", "smooth_depth"}
NO_PATHS |= {"runtime", "quantize", "most_loss", "folds"}


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))


def test_a_leading_tilde_is_the_home_folder(tmp_path):
    assert expanded("~/runs/a") == str(tmp_path / "anna/runs/a")
    assert expanded("runs/~a") == "runs/~a"
    assert expanded("./~/a") == "./~/a"
    with pytest.raises(
        InputError, match=r"~nobody.here/a begins in a home .* or \./~nobody.here/a"
    ):
        expanded("~nobody.here/a")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_that_names_a_path_takes_the_tilde(command):
    parser = importlib.import_module(command)._parser()
    paths = [action for action in parser._actions if action.dest not in NO_PATHS]
    assert {action.dest for action in paths} & {"workdir", "out", "runs"}
    assert all(action.type in (cli.path, cli.location, cli.place) for action in paths), paths


def test_options_of_preparing_take_the_tilde_and_refuse_homes_that_are_not_there(tmp_path, capsys):
    from data_prep import command
    from data_prep.own import command as own

    options = own._parser().parse_args(["--new=~/new", "--preview=~/look"])
    assert (options.new, options.preview) == (tmp_path / "anna/new", tmp_path / "anna/look")
    parser = command.parser("fpha", "FPHA", "raw")
    options = parser.parse_args(["--raw=~/raw", "--out=~/out", "--verify=~/out"])
    assert options.raw == tmp_path / "anna/raw"
    assert options.out == options.verify == tmp_path / "anna/out"
    with pytest.raises(SystemExit):
        parser.parse_args(["--raw=~nobody.here/raw"])
    assert "argument --raw: ~nobody.here/raw begins in a home folder" in capsys.readouterr().err


def test_a_config_file_may_lie_at_home(tmp_path):
    arguments = ["--config=~/a.py", "--config.seed=~", "--other=~/a"]
    assert cli.expanded_config(arguments)[0] == f"--config={tmp_path}/anna/a.py"
    assert cli.expanded_config(arguments)[1:] == arguments[1:]


@pytest.mark.parametrize("name", ["plain", "a[v2]", "a*b?", "a**b", "{x} %20#é"])
def test_what_is_looked_for_is_found_in_folders_of_any_name(tmp_path, name):
    folder = place(tmp_path) / name
    folder.mkdir()
    (folder / "part_0").write_text("")
    assert [path.name for path in folder.glob("part_*")] == ["part_0"]
    assert [path.name for path in place(folder.resolve()).glob("*_0")] == ["part_0"]


def test_addresses_in_buckets_are_known_from_paths():
    assert is_bucket("gs://bucket/runs")
    assert not is_bucket("/gs/runs")
    assert not is_bucket(pathlib.Path("a:b/c"))
    with pytest.raises(
        InputError, match=r"ftp://a/b is neither a path on disk nor .* gs://, s3://"
    ):
        place("ftp://a/b")


def test_a_library_that_a_bucket_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "adlfs", None)  # as if it were not installed
    with pytest.raises(
        InputError, match=r"az://b/x needs a library that is not installed: .*adlfs"
    ):
        place("az://b/x")


@pytest.mark.parametrize("take", [place, expanded])
def test_an_address_that_holds_credentials_is_refused_and_not_repeated(take):
    with pytest.raises(InputError, match=r"s3://...@bucket/data holds credentials, .*") as refused:
        take("s3://AKIA123:s3cret@bucket/data")
    assert "s3cret" not in str(refused.value)
    assert "AKIA123" not in str(refused.value)


def test_a_folder_on_disk_is_not_taken_for_a_bucket(monkeypatch):
    with pytest.raises(InputError, match=r"/gs/runs lies in /gs, which is taken for a bucket"):
        place("/gs/runs")
    assert str(place("gs/runs")) == "gs/runs"


def test_the_types_of_options_are_those_of_argparse():
    with pytest.raises(argparse.ArgumentTypeError, match="begins in a home folder"):
        cli.path("~nobody.here")


def test_an_empty_path_is_not_the_current_folder():
    with pytest.raises(argparse.ArgumentTypeError, match="it is empty; name a file or folder"):
        cli.path("")
    with pytest.raises(InputError, match="no folder for the run: --workdir is empty"):
        check_workdir("")

import errno
import os
import pathlib
import subprocess
import sys

import pytest

from configs import h2o
from htt_jax.runs.options import get_config
from htt_jax.support import cli
from htt_jax.support.errors import InputError


def raises(error):
    def main():
        raise error

    return main


def test_bad_input_is_one_line_on_stderr_and_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(raises(InputError("no such thing: x; take y")))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: no such thing: x; take y\n"


def test_options_are_written_in_full(capsys):
    parser = cli.ArgumentParser(prog="it")
    parser.add_argument("--workdir")
    assert parser.parse_args(["--workdir=x"]).workdir == "x"
    with pytest.raises(SystemExit):
        parser.parse_args(["--work=x"])
    assert "unrecognized arguments: --work=x" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(raises(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "results.json")))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: cannot write results.json: No space left on device; make room")
    assert said.count("\n") == 1


def test_what_another_user_keeps_to_himself_is_one_line_and_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(raises(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "run.json")))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == "error: no permission for run.json; ask its owner, or name another\n"


def test_ctrl_c_is_one_word_and_status_130(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(raises(KeyboardInterrupt()))
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_whoever_reads_the_output_may_stop():
    code = (
        "from htt_jax.support import cli; cli.run(lambda: [print('x' * 9999) for _ in range(99)])"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_other_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        cli.run(raises(ZeroDivisionError()))


ROOT = pathlib.Path(__file__).parents[3]


def test_without_a_config_file_the_default_is_changed_by_options():
    config = cli.parse_config(
        ["--config.model.heads=4", "--config.data.image_size=(240,135)"], get_config
    )
    assert (config.model.heads, config.data.image_size) == (4, (240, 135))
    assert config.model.width == get_config().model.width


# ml_collections loads config files by a function that Python deprecated.
loads_a_file = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method:DeprecationWarning")


@loads_a_file
def test_a_config_file_takes_the_place_of_the_default():
    config = cli.parse_config(
        [f"--config={ROOT / 'configs/h2o.py'}", "--config.batch_size=3"], get_config
    )
    expected = h2o.get_config()
    expected.batch_size = 3
    assert config.to_dict() == expected.to_dict()


@loads_a_file
def test_a_config_file_that_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot load the --config file: .*nowhere.py"):
        cli.parse_config([f"--config={tmp_path / 'nowhere.py'}"], get_config)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.model.hedas=4", r"unknown config option 'hedas': Did you mean \"heads\""),
        ("--config.modle.heads=4", r"unknown config option 'modle': Did you mean \"model\""),
        ("--config.model.heads=four", r"--config.model.heads=four: invalid literal for int"),
        ("--config.augment.enabled=perhaps", r"--config.augment.enabled=perhaps"),
        ("--workdri=x", r"Unknown command line flag 'workdri'"),
        ("word", r"unexpected argument 'word'; see --help"),
    ],
)
def test_a_wrong_argument_is_one_line(argument, message):
    with pytest.raises(InputError, match=message) as refused:
        cli.parse_config([argument], get_config)
    assert "\n" not in str(refused.value)

import pytest

from htt_jax import cli
from htt_jax.errors import InputError


def raises(error):
    def main():
        raise error

    return main


def test_bad_input_is_one_line_on_stderr_and_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(raises(InputError("no such thing: x; take y")))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: no such thing: x; take y\n"


def test_ctrl_c_is_one_word_and_status_130(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(raises(KeyboardInterrupt()))
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_other_errors_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        cli.run(raises(ZeroDivisionError()))

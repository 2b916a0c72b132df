"""The window on a real screen, one in memory (Xvfb), where this machine can have one."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import ImageGrab

from htt_jax.support.errors import InputError
from htt_jax.visual.window import Window


@pytest.fixture
def screen(monkeypatch):
    """The display's name; None where there is no Xvfb, and then no display at all."""
    monkeypatch.delenv("DISPLAY", raising=False)
    server = shutil.which("Xvfb")
    if server is None:
        yield None
        return
    command = [server, "-displayfd", "1", "-screen", "0", "320x240x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        name = f":{process.stdout.readline().decode().strip()}"
        monkeypatch.setenv("DISPLAY", name)
        yield name
        process.terminate()


def test_pictures_are_shown_until_the_window_is_closed(screen):
    if screen is None:
        with pytest.raises(InputError, match="no window can be opened: no display"):
            Window("pictures")
        return
    rng = np.random.default_rng(0)
    for end in ("<Escape>", "<q>", "button"):
        window = Window("pictures")
        for size in ((40, 60), (40, 60), (30, 20)):
            picture = rng.integers(0, 256, (*size, 3), np.uint8)
            window.show(picture)
            shown = np.asarray(ImageGrab.grab(xdisplay=screen))[: size[0], : size[1]]
            np.testing.assert_array_equal(shown, picture)
        assert window.is_open
        if end == "button":
            window._root.eval(window._root.protocol("WM_DELETE_WINDOW"))
        else:
            window._root.focus_force()
            window._root.event_generate(end)
        window.update()
        assert not window.is_open
        window.close()


def test_no_display_and_no_tkinter_are_said_in_one_line(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"^no window can be opened: no display name and .*$"):
        Window("pictures")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(
        InputError, match=r"^no window can be opened: this Python has no tkinter.*$"
    ):
        Window("pictures")

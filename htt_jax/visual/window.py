"""A window on the screen that shows pictures, by what Python brings along: tkinter."""

from typing import Any

from htt_jax.support.errors import InputError
from htt_jax.visual.drawing import Canvas


class Window:
    """Shows one picture after another; belongs to the thread that made it.

    Closed by its button, Escape or Q; it then only stops being open, so that the program can come
    to its end.

    Attributes:
        is_open: whether nobody has closed it yet.
    """

    def __init__(self, title: str):
        """Appears with the first picture.

        Raises:
            InputError: there is no display, or Python came without tkinter.
        """
        tkinter = _import_tkinter()
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise InputError(f"no window can be opened: {error}") from None
        self._root.withdraw()
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self._note_closed)
        for key in ("<Escape>", "q"):
            self._root.bind(key, self._note_closed)
        self._image = tkinter.PhotoImage(master=self._root)
        tkinter.Label(self._root, image=self._image, borderwidth=0).pack()
        self.is_open = True

    def show(self, picture: Canvas) -> None:
        """Shows a picture, RGB."""
        height, width = picture.shape[:2]
        self._image.configure(
            data=b"P6 %d %d 255\n" % (width, height) + picture.tobytes(), format="ppm"
        )
        self._root.deiconify()
        self.update()

    def update(self) -> None:
        """Attends to the mouse and the keyboard; to be called many times a second."""
        self._root.update()

    def close(self) -> None:
        """Takes the window from the screen."""
        self.is_open = False
        self._root.destroy()
        # Tcl aborts the process if another thread collects what is left of it.
        del self._image, self._root

    def _note_closed(self, *_: Any) -> None:
        self.is_open = False


def _import_tkinter() -> Any:
    try:
        import tkinter
    except ImportError:
        raise InputError(
            "no window can be opened: this Python has no tkinter (on Debian: apt install "
            "python3-tk)"
        ) from None
    return tkinter

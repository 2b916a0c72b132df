"""What is closed when its `with` block ends, however it ends."""

import abc
import types
from typing import TypeVar

_Closing = TypeVar("_Closing", bound="Closing")


class Closing(abc.ABC):
    """Base of classes whose objects are used in a `with` block: it gives them and closes them."""

    def __enter__(self: _Closing) -> _Closing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()

    @abc.abstractmethod
    def close(self) -> None:
        """Lets go of what it holds."""

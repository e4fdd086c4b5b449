"""Ctrl-C while a model trains: noticed at once, obeyed between two steps."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """Remembers Ctrl-C until `check` is called. Use it in a `with` statement.

    Raised wherever Python happens to be, the exception may be lost: JAX runs code while garbage is
    collected, and what is raised there is only printed. A second Ctrl-C is raised at once. Outside
    of the main thread, and where somebody else handles the signal, nothing is changed.

    Attributes:
        asked: Whether there was a Ctrl-C that nobody has obeyed yet.
    """

    def __init__(self) -> None:
        self.asked = False
        self._installed = False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._remember)
            self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False
        if error is None:
            self.check()

    def check(self) -> None:
        """Obeys a Ctrl-C.

        Raises:
            KeyboardInterrupt: There was one since the last time.
        """
        if self.asked:
            self.asked = False
            raise KeyboardInterrupt

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True

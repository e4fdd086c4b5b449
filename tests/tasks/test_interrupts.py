import signal
import threading

import pytest

from attnreport.tasks.interrupts import Interrupts

pytestmark = pytest.mark.usefixtures("usual_interrupts")


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits_until_it_is_asked_for():
    with Interrupts() as interrupts:
        interrupts.check()
        interrupt()
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        assert not interrupts.asked
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_one_waits_for_nothing():
    with Interrupts() as interrupts:
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        interrupts.asked = False


def test_what_nobody_asked_for_is_not_lost():
    with pytest.raises(KeyboardInterrupt), Interrupts():
        interrupt()


def test_other_handlers_and_other_threads_are_left_alone(monkeypatch):
    def own(number, frame):
        pass

    before = signal.signal(signal.SIGINT, own)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
    found = []

    def elsewhere():
        with Interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]

import pytest
from rich.console import Console

from attnreport.tasks import progress
from attnreport.tasks.progress import TrainingProgress, announce
from attnreport.tasks.training import Losses


@pytest.fixture
def terminal(monkeypatch) -> Console:
    """A wide terminal that keeps what it was told."""
    console = Console(force_terminal=True, width=160, record=True, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    return console


def test_the_bar_shows_loss_accuracy_and_time_left(terminal, capsys):
    with TrainingProgress("sentences right", shown=True) as watcher:
        watcher.begin(200, 40)
        for _ in range(20):
            watcher.step(Losses(0.125, 0.5))
        watcher.validated(0.9375)
    line = terminal.export_text().splitlines()[-1]
    assert "60/200" in line
    assert "loss 0.125" in line
    assert "sentences right 93.8%" in line
    assert "left" in line


def test_nothing_is_shown_if_that_is_wanted(capsys):
    with TrainingProgress("", shown=False) as watcher:
        watcher.begin(10, 0)
        watcher.step(Losses(1.0, 0.0))
        watcher.validated(0.5)
    announce("hush", shown=False)
    assert capsys.readouterr() == ("", "")


def test_lines_go_to_standard_error_as_they_are(capsys):
    announce("[bold]5%[/]", shown=True)
    assert capsys.readouterr() == ("", "[bold]5%[/]\n")

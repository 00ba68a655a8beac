"""How far a command has come, on standard error."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mtdetect.filter import Progress as Filtered

__all__ = ["Meter", "with_bar"]

_T = TypeVar("_T")
_BAR_AFTER_S = 2.0
_NOTE_EVERY_S = 10.0


def with_bar(items: Iterable[_T], *, to_file: bool = False) -> Iterator[_T]:
    """Show on standard error how many articles are done, once that takes long.

    Only where the results go to a file: on a terminal they show it themselves, and a pipe may end on one.

    Parameters
    ----------
    items : iterable
        The articles.
    to_file : bool
        Whether the results go to a file although standard output is none.
    """
    elsewhere = to_file or not (sys.stdout.isatty() or stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode))
    if not sys.stderr.isatty() or not elsewhere:
        yield from items
        return
    bar: Any = None
    begin = monotonic()
    try:
        for done, item in enumerate(items, 1):
            yield item
            if bar is None and monotonic() - begin > _BAR_AFTER_S:
                from rich import progress
                from rich.console import Console

                columns = (progress.BarColumn(), "{task.completed} articles", progress.TimeElapsedColumn())
                bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
                task = bar.add_task("", total=None)
                bar.start()
            if bar is not None:
                bar.update(task, completed=done)
    finally:
        if bar is not None:
            bar.stop()


class Meter:
    """Tells on standard error how a filter run goes: a bar on a terminal, else a line now and then.

    Parameters
    ----------
    note : callable
        Writes a line.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._begin = self._last = monotonic()
        self._first: Filtered | None = None
        self._bar: Any = None

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, progress: Filtered) -> None:
        """Show the progress if it is time to."""
        now = monotonic()
        if self._first is None:  # what an earlier run has done says nothing about our speed
            self._first, self._begin = progress, now
        on_terminal = sys.stderr.isatty()
        if now - self._last < (0.2 if on_terminal else _NOTE_EVERY_S):
            return
        self._last = now
        spent = max(now - self._begin, 1e-3)
        line = f"{progress.n_in:,} rows, {(progress.n_in - self._first.n_in) / spent:,.0f} rows/s"
        line += f", {progress.n_kept / max(progress.n_in, 1):.1%} kept"
        if progress.share is not None and self._first.share is not None and progress.share > self._first.share:
            left = (1 - progress.share) * spent / (progress.share - self._first.share)
            line += f", {progress.share:.0%}, {_duration(left)} left"
        if not on_terminal:
            self._note(line)
            return
        if self._bar is None:
            from rich import progress as rich_progress
            from rich.console import Console

            columns = (rich_progress.BarColumn(), "{task.description}")
            self._bar = rich_progress.Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("", total=None)
            self._bar.start()
        task = self._bar.task_ids[0]
        self._bar.update(task, total=progress.share and 1.0, completed=progress.share or 0, description=line)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

"""Another process that does one thing for this one, and can be stopped while it does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["DIED", "Child", "Stoppable"]

DIED = "the process that read it died: out of memory, or a crash"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_STARTING = threading.Lock()


class Child:
    """A process that answers questions, with one thread.

    Parameters
    ----------
    work : callable
        Gives the answer; it can be pickled.
    prepare : callable, optional
        Does beforehand, once, what is not to count as the time of an answer; it can be pickled.
    """

    def __init__(self, work: Callable[[Any], Any], prepare: Callable[[], Any] | None = None) -> None:
        # spawned, not forked: libraries that have threads may hang in a fork
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        # the work goes by our own pipe, in `begin`: `start` holds both ends of its pipe, and would wait for ever if the
        # process died before it had read something large
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._orders = work, prepare
        with _STARTING:
            before = {name: os.environ.get(name) for name in _THREADS}
            os.environ.update(dict.fromkeys(_THREADS, "1"))
            try:
                self._process.start()
            finally:
                for name, value in before.items():
                    os.environ.pop(name)
                    if value is not None:
                        os.environ[name] = value
        theirs.close()  # so that it ends when the other side does
        self._ready = False

    def begin(self) -> None:
        """Wait until the process is ready to be asked.

        Raises
        ------
        EOFError or OSError
            If it died before.
        """
        if not self._ready:
            self._send(self._orders)
            self._connection.recv()
            self._ready = True

    def ask(self, question: Any, timeout: float | None = None) -> Any:
        """Return the answer.

        Parameters
        ----------
        question : object
            It can be pickled.
        timeout : float, optional
            Seconds to wait, once the process has begun. After that it is of no more use: `kill` it.

        Raises
        ------
        TimeoutError
            If the answer takes longer.
        EOFError or OSError
            If the process died.
        """
        self.begin()
        self._send(question)
        if timeout is not None and not self._connection.poll(timeout):
            raise TimeoutError(f"took more than {timeout:g} seconds")
        return self._connection.recv()

    def _send(self, message: Any) -> None:
        with _without_sigpipe():
            self._connection.send(message)

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def close(self) -> None:
        """End the process and forget it."""
        self._process.kill()
        self._process.join()
        self._connection.close()


class Stoppable:
    """Asks another process, and a new one once that has died or had to be stopped.

    Parameters
    ----------
    work : callable
        Gives the answer; it can be pickled.
    timeout : float
        Seconds that an answer may take.
    prepare : callable, optional
        As for `Child`.
    """

    def __init__(self, work: Callable[[Any], Any], timeout: float, prepare: Callable[[], Any] | None = None) -> None:
        self._start, self._timeout = partial(Child, work, prepare), timeout
        self._child: Child | None = None

    def __enter__(self) -> Stoppable:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def ask(self, question: Any) -> tuple[Any, str | None]:
        """Return the answer and None, or None and why there is no answer."""
        self._child = self._child or self._start()
        try:
            return self._child.ask(question, self._timeout), None
        except (EOFError, OSError) as error:
            self._stop()
            return None, str(error) if isinstance(error, TimeoutError) else DIED


@contextmanager
def _without_sigpipe() -> Iterator[None]:
    """Let writing to a process that has died fail, instead of ending this one, as the command line has it."""
    if not hasattr(signal, "SIGPIPE"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        yield
    finally:
        if signal.SIGPIPE in signal.sigpending():
            signal.sigwait({signal.SIGPIPE})
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """Answer until the other process ends, in whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that is for the other process to decide
    with suppress(EOFError, OSError):
        work, prepare = connection.recv()
        if prepare is not None:
            prepare()
        connection.send(None)
        while True:
            connection.send(work(connection.recv()))

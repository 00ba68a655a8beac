from __future__ import annotations

import ctypes
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_data import write

from mtdetect import Detector, encoder
from mtdetect.classifier import FastClassifier
from mtdetect.encoder import GRAPHS
from mtdetect.train import train_fast

ROOT = Path(__file__).parents[1]


_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_UP = struct.pack("16sh", b"lo", 1)  # IFF_UP
_SET_FLAGS = 0x8914  # SIOCSIFFLAGS


def pytest_configure() -> None:
    """Move the tests and all that they start into a network that ends at this machine; on Linux, and for root only."""
    if sys.platform == "linux" and ctypes.CDLL(None).unshare(_NEW_NETWORK) == 0:
        import fcntl  # not everywhere

        with socket.socket() as any_socket:
            fcntl.ioctl(any_socket, _SET_FLAGS, _UP)


@pytest.fixture(autouse=True)
def sigpipe() -> Iterator[None]:
    """Undo what the command line does to SIGPIPE: else a later test that writes to a dead process would end us all."""
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Let the tests themselves reach nothing but this machine, wherever they run."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and str(address[0]) not in ("127.0.0.1", "::1", "localhost"):
            raise PermissionError(f"the tests use no network: {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local)
        yield


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the graphs of an encoder in turn, whatever the processor: the name of its file."""
    monkeypatch.setattr(encoder, "multiplies_in", lambda: request.param)
    return GRAPHS[request.param]


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector.from_pretrained("fast")


@pytest.fixture(scope="session")
def articles() -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in (ROOT / "notebooks" / "articles").glob("*.txt")}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data"), 7)


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FastClassifier:
    return train_fast(data, tmp_path_factory.mktemp("models") / "small-v1", pairs=[data / "pairs.parquet"])

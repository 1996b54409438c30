"""A connection to a server that can be cut, or go dead without a word."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

_PIECE = 64 * 1024


class WeakLink:
    """Passes on what clients send to a port of this machine, and what comes back."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.passed = 0
        """Bytes from clients to the server."""
        self.cut_at: int | None = None
        """So many bytes from clients, once, and every connection is cut."""
        self.cut_at_reply: int | None = None
        """So many bytes from the server in one connection, once, and every connection is cut."""
        self.stall_at: int | None = None
        """So many bytes from clients, and nothing is passed on any more."""
        self.reached = threading.Event()
        """Whether it has been cut, or stalled."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect."""
        return int(self._listener.getsockname()[1])

    @classmethod
    @contextmanager
    def to(cls, target: int) -> Iterator[Self]:
        """Yield a link to a port."""
        link = cls(target)
        try:
            yield link
        finally:
            link._listener.close()
            link.cut()

    def cut(self) -> None:
        """Cut every connection."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        self._open |= {client, server}
        threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
        self._pass(client, server, counts=True)

    def _pass(self, source: socket.socket, sink: socket.socket, *, counts: bool = False) -> None:
        with suppress(OSError):
            replied = 0
            while piece := source.recv(_PIECE):
                if counts:
                    self.passed += len(piece)
                    self._fail()
                elif self.cut_at_reply is not None and replied + len(piece) > self.cut_at_reply:
                    sink.sendall(piece[: self.cut_at_reply - replied])
                    self.cut_at_reply = None
                    self.cut()
                replied += len(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def _fail(self) -> None:
        if self.cut_at is not None and self.passed >= self.cut_at:
            self.cut_at = None
            self.cut()
            self.reached.set()
        if self.stall_at is not None and self.passed >= self.stall_at:
            self.reached.set()
            while self.stall_at is not None:
                threading.Event().wait(0.05)

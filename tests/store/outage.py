"""A cable to a PostgreSQL server that can be cut and mended."""

import contextlib
import select
import socket
import threading
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Cable:
    """Listens on loopback and passes bytes on, while it is whole."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._whole = True
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The database, through the cable."""
        who = f"{self._parts.username}:{self._parts.password or ''}@" if self._parts.username else ""
        port = self._listener.getsockname()[1]
        return urlunsplit(self._parts._replace(netloc=f"{who}127.0.0.1:{port}", query=""))

    def cut(self) -> None:
        self._whole = False
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self._ended = True
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._whole:
                threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()
            else:
                near.close()

    def _pass_on(self, near: socket.socket) -> None:
        with near, self._far() as far, contextlib.suppress(OSError):
            self._open |= {near, far}
            while True:
                for end in select.select([near, far], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    (far if end is near else near).sendall(data)
        self._open -= {near, far}

    def _far(self) -> socket.socket:
        folder = parse_qs(self._parts.query).get("host", [""])[0]
        if not folder:
            return socket.create_connection((self._parts.hostname or "127.0.0.1", self._parts.port or 5432))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{folder}/.s.PGSQL.{self._parts.port or 5432}")
        return far

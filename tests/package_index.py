"""Package indexes on this machine: small wheels, with pages in the forms that PyPI, NVIDIA and piwheels use."""

import hashlib
import http.server
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any


@dataclass
class Index:
    """A package index: a folder with a page a package."""

    folder: Path
    hashes: bool
    address: str = "127.0.0.1"
    # What an unknown project is answered with. Some content networks refuse it.
    unknown: int = 404
    requests: list[str] = field(default_factory=list)
    port: int = 0
    # Wheels are sent while it is set.
    sending: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def downloads(self) -> list[str]:
        """The wheels that were asked for."""
        return [path for path in self.requests if path.endswith(".whl")]

    def add(
        self,
        name: str,
        version: str,
        tag: str = "py3-none-any",
        *,
        requires: tuple[str, ...] = (),
        code: str = "",
    ) -> str:
        """Publish a wheel and return its SHA-256. One that is there is replaced, and its link stays as it is."""
        module = name.replace("-", "_")
        page = self.folder / name
        page.mkdir(parents=True, exist_ok=True)
        wheel = page / f"{module}-{version}-{tag}.whl"
        is_new = not wheel.exists()
        info = f"{module}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        files = {
            f"{module}/__init__.py": code or f"__version__ = {version!r}\n",
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
            archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
        return self._link(wheel) if is_new else _digest(wheel)

    def take(self, wheel: Path) -> str:
        """Publish a wheel that is there and return its SHA-256."""
        page = self.folder / wheel.name.partition("-")[0].lower().replace("_", "-")
        page.mkdir(parents=True, exist_ok=True)
        return self._link(Path(shutil.copy(wheel, page)))

    def _link(self, wheel: Path) -> str:
        fragment = f"#sha256={_digest(wheel)}" if self.hashes else ""
        with (wheel.parent / "index.html").open("a") as listing:
            listing.write(f'<a href="{wheel.name.replace("+", "%2B")}{fragment}">{wheel.name}</a><br>\n')
        return _digest(wheel)


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@contextmanager
def serve(index: Index) -> Iterator[Index]:
    """Answer at a free port of the index's address."""
    index.folder.mkdir(exist_ok=True)
    index.sending.set()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            index.requests.append(self.path)
            if self.path.endswith(".whl"):
                index.sending.wait(60)
            super().do_GET()

        def send_error(self, code: int, *arguments: Any, **options: Any) -> None:
            super().send_error(index.unknown if code == 404 else code, *arguments, **options)

    server = http.server.ThreadingHTTPServer(
        (index.address, index.port), partial(Handler, directory=str(index.folder))
    )
    index.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield index
    finally:
        index.sending.set()
        server.shutdown()
        server.server_close()

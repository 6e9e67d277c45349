"""What the tests of the data scripts share: archives, a web server, a script as a module."""

from __future__ import annotations

import importlib.util
import io
import re
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.library import tiny_datasets as tiny

SCRIPTS = tiny.REPOSITORY / "data_scripts"

FILTERS = pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"),
    reason="this Python is older than 3.11.4 and has no filters for archives",
)


def script(name: str):
    """A data script as a module (under a name of its own: some are named like packages)."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def tar(path: Path, *members: tuple[str, object]) -> Path:
    """A gzipped tar; a member is (name, bytes), (name, ("sym" or "hard", target)) or fifo."""
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
                continue
            kind, info.linkname = content
            info.type = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}[
                kind
            ]
            file.addfile(info)
    return path


def make_zip(path: Path, *members: tuple[str, bytes], link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if link:
                info.external_attr = 0o120777 << 16
            file.writestr(info, content)
    return path


class Server:
    """A web server on this machine whose answers can be cut, slow or wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.cuts: list[int] = []  # after how many bytes each of the next answers breaks off
        self.supports_ranges = True
        self.tag = '"v1"'
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = 0
        if asked and self.supports_ranges and request.headers.get("If-Range") == self.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", self.tag)
        request.end_headers()
        stop = self.cuts.pop(0) if self.cuts else len(content)
        request.wfile.write(content[start : start + stop])


def run(fetch, dataset, root: Path, *arguments: object) -> int:
    return fetch.main(dataset, ["--root", str(root), *map(str, arguments)])


def error(capsys) -> str:
    """The one line that was printed as an error (progress bars stand on lines of their own)."""
    text = capsys.readouterr().err
    lines = [line for line in re.split(r"[\r\n]", text) if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]

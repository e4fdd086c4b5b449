"""Opens the folders that recordings live in: on this machine, or behind any TensorStore URL."""

import dataclasses
import functools
import os
import re
import urllib.parse
from pathlib import Path
from typing import Any

import tensorstore as ts

from attnreport._errors import RecordingFileError

# What TensorStore raises for an input, a network or a disk that fails.
STORE_ERRORS = (OSError, ValueError, RuntimeError, LookupError)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclasses.dataclass(frozen=True)
class Folder:
    """A place that holds named objects, such as the parts of one recording.

    Attributes:
        name: What to call it in messages.
        keys: The objects.
    """

    name: str
    keys: ts.KvStore

    def read(self, key: str) -> bytes | None:
        """One object; None if there is none of that name."""
        found = self.keys.read(key).result()
        return found.value if found.state == "value" else None

    def write(self, key: str, value: bytes) -> None:
        """Writes one object, replacing it at once and as a whole."""
        self.keys.write(key, value).result()

    def list(self) -> set[str]:
        """Names of all objects."""
        return {os.fsdecode(key) for key in self.keys.list().result()}

    def child(self, name: str) -> dict[str, Any]:
        """TensorStore's description of the folder `name` inside this one."""
        description = self.keys.spec().to_json()
        return {**description, "path": f"{self.keys.path}{name}/"}


@functools.cache
def shared_context() -> ts.Context:
    """What all TensorStore operations of this process share.

    Sharing it makes `memory://` one place for writing and reading. Files are not synchronized
    one by one: `attnreport.store.local` does so once for a whole recording. Fewer retries than
    TensorStore's 32 tell a wrong address from a slow one within seconds.
    """
    retries = {"max_retries": 5, "initial_delay": "200ms", "max_delay": "2s"}
    return ts.Context(
        {
            "file_io_sync": False,
            "gcs_request_retries": retries,
            "http_request_retries": retries,
            "s3_request_retries": retries,
        }
    )


def local_path(target: str | os.PathLike[str]) -> Path | None:
    """The path, if `target` is one on this machine or a `file://` URL; None for other URLs."""
    text = os.fspath(target)
    if text.startswith("file:///") and "|" not in text:
        return Path(urllib.parse.unquote(text.removeprefix("file://")))
    return None if _URL.match(text) else Path(text)


def open_folder(target: str | os.PathLike[str]) -> Folder:
    """The folder at a path or at a URL that TensorStore knows.

    Raises:
        RecordingFileError: TensorStore does not know such a URL.
    """
    path = local_path(target)
    name = os.fspath(target) if path is None else str(path)
    try:
        if path is None:
            keys = ts.KvStore.open(name, context=shared_context()).result()
        else:
            keys = _open({"driver": "file", "path": path.resolve().as_posix()})
        if keys.path and not keys.path.endswith("/"):
            keys = _open({**keys.spec().to_json(), "path": f"{keys.path}/"})
    except STORE_ERRORS as error:
        raise RecordingFileError(
            f"{name} cannot be opened: {reason(error)}. Give a folder, or a URL that TensorStore "
            "knows, such as gs://bucket/run.attn or s3://bucket/run.attn."
        ) from error
    return Folder(name, keys)


def reason(error: BaseException) -> str:
    """What went wrong, in a few words and without a full stop."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code:
        return os.strerror(int(code.group(1)))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).partition("\n")[0]
    return re.sub(r"\s*\[[a-z_]+='.*$", "", text)[:200].rstrip(". ")


def _open(description: dict[str, Any]) -> ts.KvStore:
    return ts.KvStore.open(description, context=shared_context()).result()

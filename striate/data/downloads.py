"""Files from the network whose checksum the caller knows, so that it does not matter who sends them.

pooch would be three more packages (requests, platformdirs, packaging) for a registry of files, progress bars and
unpacking; it has no limit on the size and takes plain http. What is left is a loop over ``urllib``.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from striate.data.files import CHUNK, GIB, open_regular, replacing
from striate.errors import ArgumentError, FormatError, LimitError

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

__all__ = ["download"]

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
#: Seconds without a byte.
TIMEOUT = 30
MAX_NAME = 100


def download(
    url: str, sha256: str, folder: str | os.PathLike[str], *, max_bytes: int = GIB, timeout: float = TIMEOUT
) -> Path:
    """Return the local path of a file from the network, which is fetched only if it is not there yet.

    A file is named by the beginning of its checksum and the end of ``url``; it gets this name once it is completely on
    disk and its checksum is right, even if two programs fetch it at once. A file that is already there is checked
    again, and fetched again if it has changed.

    Arguments:
        url: begins with https://, as do all addresses it is redirected to; http:// for this machine alone.
        sha256: the checksum of the content, 64 hexadecimal digits.
        folder: where files are kept; made if it does not exist.
        max_bytes: the longest file that is fetched (default 1 GiB).
        timeout: seconds without a byte after which to give up (default 30).

    Raises:
        ArgumentError: ``url`` or ``sha256`` is malformed.
        FormatError: the file cannot be fetched or written, or has another checksum.
        LimitError: it is longer than ``max_bytes``.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ArgumentError(f"download: expected sha256 of 64 hexadecimal digits, got {sha256!r}.")
    if not _is_allowed(url):
        raise ArgumentError(f"download: expected a url that begins with https://, got {url!r}.")
    sha256 = sha256.lower()
    name = re.sub(r"[^\w.-]", "_", unquote(urlsplit(url).path).rpartition("/")[2], flags=re.ASCII)[-MAX_NAME:]
    path = Path(folder) / f"{sha256[:16]}-{name}"
    if path.exists() and _checksum_of(path) == sha256:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(f"download: cannot make {path.parent}: {error.strerror or error}.") from error
    with replacing(path, "download") as file:
        got = _fetch(url, file, max_bytes, timeout)
        if got != sha256:
            raise FormatError(
                f"download: expected content with the sha256 {sha256}, got {got} ({file.tell():,} bytes): {url}. "
                f"The file has changed there, or was changed or truncated on the way; nothing of it is kept."
            )
    return path


def _fetch(url: str, file: IO[bytes], max_bytes: int, timeout: float) -> str:
    """Write what the address gives to a file and return its checksum."""
    from http.client import HTTPException

    checksum = hashlib.sha256()
    try:
        with _opener().open(url, timeout=timeout) as response:
            while piece := response.read(CHUNK):
                if file.tell() + len(piece) > max_bytes:
                    raise LimitError(f"download: expected at most {max_bytes:,} bytes, got more: {url}.")
                checksum.update(piece)
                file.write(piece)
    except (OSError, HTTPException, UnicodeError) as error:  # urllib's own errors are OSErrors
        raise FormatError(f"download: cannot fetch {url}: {error}.") from error
    return checksum.hexdigest()


def _opener() -> "OpenerDirector":
    from urllib import request

    class Redirects(request.HTTPRedirectHandler):
        def redirect_request(
            self, req: request.Request, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
        ) -> Any:
            # From the network to a server of this machine would be a way around a firewall.
            if not _is_allowed(newurl) or (_is_loopback(newurl) and not _is_loopback(req.full_url)):
                raise FormatError(
                    f"download: expected redirects to https:// addresses, {req.full_url} leads to {newurl!r}."
                )
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return request.build_opener(Redirects)


def _is_allowed(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(url)))


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def _checksum_of(path: Path) -> str:
    with open_regular(path, "download") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""One file over HTTP: resumed where it stopped, tried again, whole or absent."""

import hashlib
import os
import time
from http.client import HTTPException, HTTPResponse
from math import ceil
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import dbb
from dbb.errors import InputError
from dbb.progress import track

BLOCK = 1 << 20
TIMEOUT_S = 60.0
TRIES = 5
PAUSE_S = 1.0
BUSY = (408, 425, 429, 500, 502, 503, 504)  # HTTP answers after which the same request may succeed


def fetch(url: str, path: Path) -> Path:
    """Download ``url`` to ``path``, unless it is there, and return ``path``.

    What has come lies in a .part file beside it, one per address, from which a later call goes on.

    Raises:
        InputError: naming the address when it cannot be reached, refuses, breaks off `TRIES` times, or answers with a
            web page in place of the file.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    for attempt in range(TRIES):
        try:
            _append(url, part)
            os.replace(part, path)
            return path
        except HTTPError as error:
            reason = f"answered {error.code} {error.reason}"
            if error.code not in BUSY:
                break
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error))
            if isinstance(error, URLError) and not part.exists():  # never reached: try another place at once
                break
        if attempt + 1 < TRIES:
            time.sleep(PAUSE_S * 2**attempt)
    raise InputError(f"{url}: {reason}")


def _append(url: str, part: Path) -> None:
    """Add to ``part`` what it lacks of ``url``; raises OSError when the connection breaks off before the end."""
    have = part.stat().st_size if part.exists() else 0
    try:
        response = urlopen(Request(url, headers=_headers(have)), timeout=TIMEOUT_S)
    except HTTPError as error:
        # 416: there is nothing behind what we have, because it is the whole file or because it is another one.
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
            return
        if error.code == 416:
            part.unlink()
            raise ConnectionError("the file on the server has changed") from error
        raise
    with response:
        if response.headers.get_content_type() == "text/html":
            raise InputError(f"{url}: answered with a web page in place of the file (a quota, a login or a new place)")
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if goes_on else 0
        length = response.headers.get("Content-Length")
        _write(response, part, "ab" if goes_on else "wb", f"downloading {part.name.split('.')[0]}", length)
        if length is not None and part.stat().st_size != start + int(length):
            raise ConnectionError(f"broke off after {part.stat().st_size} of {start + int(length)} bytes")


def _headers(have: int) -> dict[str, str]:
    agent = {"User-Agent": f"dbb/{dbb.__version__}"}
    return {**agent, "Range": f"bytes={have}-"} if have else agent


def _write(response: HTTPResponse, part: Path, mode: str, label: str, length: str | None) -> None:
    blocks = iter(lambda: response.read(BLOCK), b"")
    with part.open(mode) as file:
        for block in track(blocks, label, total=None if length is None else ceil(int(length) / BLOCK)):
            file.write(block)

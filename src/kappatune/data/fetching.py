"""Asking databases elsewhere: with patience, and for nothing twice.

What is fetched is stored, page by page, in a folder, and read from there ever after. So what was interrupted
goes on where it was, and sees the same crystals even if the database has changed meanwhile.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests

from kappatune.errors import BadSource

RETRY_DELAYS_S = (1.0, 4.0, 15.0, 45.0)
"""Pauses before a failed request is tried again; after the last it is given up."""

LONGEST_PAUSE_S = 300.0
"""The most a provider may ask for with Retry-After."""

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 120.0

_DEEPEST = 30
_FINAL_SERVER_ERRORS = (501, 505)
_PASSING_REFUSALS = (408, 425, 429)
_log = logging.getLogger(__name__)


class TemporaryFailure(Exception):
    """A failure that may pass.

    Attributes:
        pause_s: How long the other side asks to be left alone, s.
    """

    def __init__(self, message: str, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.pause_s = pause_s


@dataclass(frozen=True)
class Answer:
    """What a provider answered.

    Attributes:
        url: Where it came from, after redirections.
        content: Its JSON, or None where it is not JSON.
        text: Its beginning, for people.
    """

    url: str
    content: Any
    text: str


def cached(folder: Path, key: str, fetch: Callable[[], Any]) -> Any:
    """What was fetched under a key: from disk, where it goes the first time.

    Args:
        folder: Where fetched pages are kept; made when needed.
        key: Names the content, for example its URL.
        fetch: Gives the content, which JSON can hold.

    Raises:
        BadSource: The file is damaged.
        OSError: The disk is full.
    """
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json.gz"
    if not path.is_file():
        content = json.dumps({"of": key, "content": fetch()}, default=str).encode()
        folder.mkdir(parents=True, exist_ok=True)
        partial_path = folder / f".{path.name}"
        try:
            partial_path.write_bytes(gzip.compress(content, mtime=0))
            os.replace(partial_path, path)
        except OSError:
            partial_path.unlink(missing_ok=True)
            raise
    try:
        return json.loads(gzip.decompress(path.read_bytes()))["content"]
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise BadSource(f"{path} is damaged: delete it and run the command again") from error


def with_retries(ask: Callable[[], Any], where: str, afterwards: str) -> Any:
    """What `ask` gives, asked again after growing pauses while it raises `TemporaryFailure`.

    Args:
        ask: The request.
        where: What is asked, for people.
        afterwards: What is kept so far and how to go on from there, for people.

    Raises:
        BadSource: It failed once more after the last pause.
    """
    pauses = iter(RETRY_DELAYS_S)
    while True:
        try:
            return ask()
        except TemporaryFailure as error:
            pause = next(pauses, None)
            if pause is None:
                raise BadSource(f"{where}: {error}; {afterwards}") from error
            pause = min(max(pause, error.pause_s), LONGEST_PAUSE_S)
            _log.warning("%s: %s; trying again in %.0f s", where, error, pause)
            time.sleep(pause)


def new_session() -> requests.Session:
    """Connections that say who asks."""
    session = requests.Session()
    session.headers["User-Agent"] = f"kappatune/{version('kappatune')}"
    return session


def get_json(
    session: requests.Session, url: str, where: str, detail: Callable[[Any], str] = lambda content: ""
) -> Answer:
    """Ask once.

    Args:
        session: Connections.
        url: What is asked.
        where: The same, for people.
        detail: What the JSON of a refusal says, for people.

    Raises:
        TemporaryFailure: No connection, no answer in time, or a refusal that may pass.
        BadSource: A refusal for good, or no URL.
    """
    try:
        response = session.get(url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
    except requests.RequestException as error:
        if isinstance(error, ValueError):  # the URL itself is at fault
            raise BadSource(f"{where}: {one_line(error)}") from error
        raise TemporaryFailure(_cause(error)) from error
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        content = None
    code = response.status_code
    if code >= 400:
        fault = f"the provider answers {code} ({detail(content) or one_line(response.reason)})"
        if code in _PASSING_REFUSALS or (code >= 500 and code not in _FINAL_SERVER_ERRORS):
            raise TemporaryFailure(fault, _retry_after(response.headers.get("Retry-After", "")))
        raise BadSource(f"{where}: {fault}")
    return Answer(response.url, content, one_line(response.content[:80].decode(errors="replace")))


def without_deep_nesting(entry: Any) -> Any:
    """An entry as it is, or None where it nests so deep that it could not be written or sent on."""
    return None if _nests_deeper(entry, _DEEPEST) else entry


def one_line(text: object) -> str:
    """Foreign text made fit for an error: one line, not long, without control characters."""
    line = " ".join(str(text).split())
    return "".join(c for c in line if c.isprintable())[:300]


def _nests_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(_nests_deeper(item, levels - 1) for item in inner))


def _cause(error: requests.RequestException) -> str:
    """What the system said, at the bottom of a chain of exceptions."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    cause: BaseException | None = error
    said = ""
    while cause is not None:
        said = (isinstance(cause, OSError) and cause.strerror) or said
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({one_line(said or type(error).__name__)})"


def _retry_after(header: str) -> float:
    """Seconds a Retry-After header asks for, given as such or as a date; 0 where it is neither."""
    try:
        return float(header) if header.strip().isdecimal() else (_date(header) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)

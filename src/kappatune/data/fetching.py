"""Requests to remote databases: retried when they fail, and never sent twice.

Every page is stored in a folder as soon as it arrives, and read from there from then on. An interrupted download
therefore continues where it stopped, and sees the same crystals even if the database has changed in the meantime.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
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
from kappatune.storage import atomic_path

RETRY_DELAYS_S = (1.0, 4.0, 15.0, 45.0)
"""Pauses before a failed request is sent again, s; after the last one the request has failed."""

MAX_RETRY_DELAY_S = 300.0
"""Longest pause that a provider may ask for with Retry-After, s."""

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 120.0

_MAX_NESTING = 30
_PERMANENT_SERVER_ERRORS = (501, 505)
_TEMPORARY_CLIENT_ERRORS = (408, 425, 429)
_log = logging.getLogger(__name__)


class TemporaryFailure(Exception):
    """A request failed for a reason that may go away.

    Attributes:
        pause_s: Pause that the provider asks for, s.
    """

    def __init__(self, message: str, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.pause_s = pause_s


@dataclass(frozen=True)
class JsonResponse:
    """A provider's response.

    Attributes:
        url: Its URL, after redirections.
        content: The parsed JSON; None if the response is not JSON.
        text: Its beginning, for error messages.
    """

    url: str
    content: Any
    text: str


def cached(folder: Path, key: str, fetch: Callable[[], Any]) -> Any:
    """What was fetched under a key; it is fetched if it is not yet on disk.

    Args:
        folder: Folder of stored pages; created when needed.
        key: Identifies the content, for example its URL.
        fetch: Returns the content, which must be serialisable as JSON.

    Raises:
        BadSource: The stored file is damaged.
        OSError: The disk is full.
    """
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json.gz"
    if not path.is_file():
        content = json.dumps({"of": key, "content": fetch()}, default=str).encode()
        with atomic_path(path) as partial:
            partial.write_bytes(gzip.compress(content, mtime=0))
    try:
        return json.loads(gzip.decompress(path.read_bytes()))["content"]
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise BadSource(f"{path} is damaged: delete it and try again to fetch it anew") from error


def with_retries(request: Callable[[], Any], where: str, advice: str) -> Any:
    """The result of a request, repeated after growing pauses while it raises `TemporaryFailure`.

    Args:
        request: Sends the request.
        where: What is requested, for error messages.
        advice: What is stored so far and how to continue, for error messages.

    Raises:
        BadSource: The request failed again after the last pause.
    """
    delays = iter(RETRY_DELAYS_S)
    while True:
        try:
            return request()
        except TemporaryFailure as error:
            delay = next(delays, None)
            if delay is None:
                raise BadSource(f"{where}: {error}; {advice}") from error
            delay = min(max(delay, error.pause_s), MAX_RETRY_DELAY_S)
            _log.warning("%s: %s; trying again in %.0f s", where, error, delay)
            time.sleep(delay)


def new_session() -> requests.Session:
    """Connections that identify themselves as kappatune."""
    session = requests.Session()
    session.headers["User-Agent"] = f"kappatune/{version('kappatune')}"
    return session


def get_json(
    session: requests.Session, url: str, where: str, detail: Callable[[Any], str] = lambda _: ""
) -> JsonResponse:
    """Send one request.

    Args:
        session: Connections.
        url: What is requested.
        where: The same, for error messages.
        detail: Extracts the provider's explanation from the JSON of an error.

    Raises:
        TemporaryFailure: No connection, no response in time, or an error that may go away.
        BadSource: The URL is invalid, or the provider refuses the request.
    """
    try:
        response = session.get(url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
    except requests.RequestException as error:
        if isinstance(error, ValueError):  # the URL itself is invalid
            raise BadSource(f"{where}: {one_line(error)}") from error
        raise TemporaryFailure(_cause(error)) from error
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        content = None
    code = response.status_code
    if code >= 400:
        fault = f"the provider answered {code} ({detail(content) or one_line(response.reason)})"
        if code in _TEMPORARY_CLIENT_ERRORS or (code >= 500 and code not in _PERMANENT_SERVER_ERRORS):
            raise TemporaryFailure(fault, _retry_after(response.headers.get("Retry-After", "")))
        raise BadSource(f"{where}: {fault}")
    return JsonResponse(response.url, content, one_line(response.content[:80].decode(errors="replace")))


def without_deep_nesting(entry: Any) -> Any:
    """The entry, or None if it is nested so deeply that it could not be written or passed to another process."""
    return None if _nests_deeper(entry, _MAX_NESTING) else entry


def one_line(text: object) -> str:
    """Text from a provider, made safe for an error message: one line, not too long, no control characters."""
    line = " ".join(str(text).split())
    return "".join(c for c in line if c.isprintable())[:300]


def _nests_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(_nests_deeper(item, levels - 1) for item in inner))


def _cause(error: requests.RequestException) -> str:
    """The system's own explanation, at the bottom of a chain of exceptions."""
    if isinstance(error, requests.Timeout):
        return "no response in time"
    cause: BaseException | None = error
    explanation = ""
    while cause is not None:
        explanation = (isinstance(cause, OSError) and cause.strerror) or explanation
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({one_line(explanation or type(error).__name__)})"


def _retry_after(header: str) -> float:
    """Seconds that a Retry-After header asks for, as a number or as a date; 0 if it is neither."""
    try:
        return float(header) if header.strip().isdecimal() else (_date(header) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)

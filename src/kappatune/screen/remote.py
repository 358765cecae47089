"""Sources of a scan that lie elsewhere: OPTIMADE providers.

What is fetched is kept, page by page, in the scan's folder, and read from there ever after. So a resumed
scan asks for no page twice, and sees the same crystals even if the database has changed meanwhile.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import requests

from kappatune.screen.sources import BadSource, Unit
from kappatune.structures import Crystal, Rejection
from kappatune.structures.optimade import FIELDS, crystal_of_optimade

PAGE_LIMIT = 100
"""Structures asked for at once, unless the URL says otherwise; few providers give more."""

PAUSES_S = (1.0, 4.0, 15.0, 45.0)
"""Pauses before a failed request is tried again; after the last the scan stops."""

LONGEST_PAUSE_S = 300.0
"""The most a provider may ask for with Retry-After."""

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 120.0

_DEEPEST = 30
_FINAL_SERVER_ERRORS = (501, 505)
_PASSING_REFUSALS = (408, 425, 429)
_log = logging.getLogger(__name__)


class Passing(Exception):
    """A failure that may pass.

    Attributes:
        pause_s: How long the other side asks to be left alone, s.
    """

    def __init__(self, message: str, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.pause_s = pause_s


def kept(folder: Path, key: str, fetch: Callable[[], Any]) -> Any:
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
        raise BadSource(f"{path} is damaged: delete it, and --resume fetches it again") from error


def patiently(ask: Callable[[], Any], where: str, safe: str) -> Any:
    """What `ask` gives, asked again after growing pauses while it raises `Passing`.

    Args:
        ask: The request.
        where: What is asked, for people.
        safe: What is kept so far, for people.

    Raises:
        BadSource: It failed once more after the last pause.
    """
    pauses = iter(PAUSES_S)
    while True:
        try:
            return ask()
        except Passing as error:
            pause = next(pauses, None)
            if pause is None:
                raise BadSource(f"{where}: {error}; {safe}, and --resume goes on from there") from error
            pause = min(max(pause, error.pause_s), LONGEST_PAUSE_S)
            _log.warning("%s: %s; trying again in %.0f s", where, error, pause)
            time.sleep(pause)


def optimade_units(source: str, filter: str | None, fetched: Path) -> Iterator[Unit]:
    """Walk the structures of an OPTIMADE provider, one unit per page.

    Args:
        source: Base URL, with or without version and `structures`; its query, for example `filter` or
            `page_limit`, is sent along.
        filter: OPTIMADE filter, added to one in the URL.
        fetched: Where pages are kept.

    Raises:
        BadSource: The provider cannot be reached, refuses, answers nonsense, leads in circles, or has
            no such structure.
        OSError: The disk is full.
    """
    url: str | None = _first_page(source, filter)
    endpoint = str(url).partition("?")[0]
    asked: set[str] = set()
    previous: list[Any] = []
    first = 1
    with requests.Session() as session:
        session.headers["User-Agent"] = f"kappatune/{version('kappatune')}"
        while url:
            asked.add(url)
            where, safe = f"{source}, page {len(asked)}", f"pages kept: {len(asked) - 1}"
            page = kept(fetched, url, partial(patiently, partial(_ask, session, url, where), where, safe))
            entries, url = page["data"], page["next"]
            if url in asked or (url and entries == previous):
                raise BadSource(
                    f"{where}: the provider leads in circles, this page was there before: tell the provider"
                )
            if entries:
                yield Unit("optimade", endpoint, first, entries)
            first += len(entries)
            previous = entries
    if first == 1:
        raise BadSource(f"{source}: the provider has no such structure")


def crystal_of_entry(entry: object, number: int, endpoint: str) -> Crystal | Rejection:
    """The crystal of one entry, or why there is none.

    Args:
        entry: As a page holds it.
        number: Position among the provider's entries, counted from 1.
        endpoint: URL of the provider's structures; with an id it makes the URL of an entry.
    """
    read = crystal_of_optimade(entry)
    file = f"{endpoint}/{quote(read.id)}" if read.id else endpoint
    return replace(read, id=read.id or f"{urlsplit(endpoint).hostname}#{number}", file=file)


def plain(text: object) -> str:
    """Foreign text made fit for an error: one line, not long, without control characters."""
    line = " ".join(str(text).split())
    return "".join(c for c in line if c.isprintable())[:300]


def _first_page(source: str, filter: str | None) -> str:
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise BadSource(f"{source}: not a URL ({error})") from error
    path = parts.path.rstrip("/")
    if not path.endswith("/structures"):
        path += "/structures" if re.search(r"/v\d+(\.\d+)*$", path) else "/v1/structures"
    query = {"page_limit": str(PAGE_LIMIT), **dict(parse_qsl(parts.query)), "response_fields": ",".join(FIELDS)}
    if filter:
        query["filter"] = f"({query['filter']}) AND ({filter})" if "filter" in query else filter
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query, quote_via=quote), ""))


def _ask(session: requests.Session, url: str, where: str) -> dict[str, Any]:
    """One page: its entries and the URL of the next."""
    try:
        response = session.get(url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
    except requests.RequestException as error:
        if isinstance(error, ValueError):  # the URL itself is at fault
            raise BadSource(f"{where}: {plain(error)}") from error
        raise Passing(_cause(error)) from error
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if response.status_code >= 400:
        code = response.status_code
        fault = f"the provider answers {code} ({_detail(errors) or plain(response.reason)})"
        if code in _PASSING_REFUSALS or (code >= 500 and code not in _FINAL_SERVER_ERRORS):
            raise Passing(fault, _retry_after(response.headers.get("Retry-After", "")))
        raise BadSource(f"{where}: {fault}")
    if errors:
        raise Passing(f"the provider reports an error ({_detail(errors)})")
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise Passing("the answer is not OPTIMADE's JSON: check the URL")
    entries = [None if _nests_deeper(entry, _DEEPEST) else entry for entry in answer["data"]]
    return {"data": entries, "next": _next_page(response.url, answer.get("links"), where)}


def _nests_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects nest deeper than this: some could be read here, but not sent to a worker."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(_nests_deeper(item, levels - 1) for item in inner))


def _next_page(url: str, links: object, where: str) -> str | None:
    following = links.get("next") if isinstance(links, dict) else None
    if isinstance(following, dict):
        following = following.get("href")
    if not following:
        return None
    try:
        return urljoin(url, following)
    except (TypeError, ValueError) as error:
        raise BadSource(f"{where}: the link to the next page is no URL ({plain(following)})") from error


def _detail(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) and errors else None
    return plain((first.get("detail") or first.get("title") or "") if isinstance(first, dict) else first or "")


def _cause(error: requests.RequestException) -> str:
    """What the system said, at the bottom of a chain of exceptions."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    cause: BaseException | None = error
    said = ""
    while cause is not None:
        said = (isinstance(cause, OSError) and cause.strerror) or said
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({plain(said or type(error).__name__)})"


def _retry_after(header: str) -> float:
    """Seconds a Retry-After header asks for, given as such or as a date; 0 where it is neither."""
    try:
        return float(header) if header.strip().isdecimal() else (_date(header) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0


def _date(text: str) -> datetime:
    date = parsedate_to_datetime(text)
    return date if date.tzinfo else date.replace(tzinfo=UTC)

"""Sources of a scan that lie elsewhere: OPTIMADE providers.

A resumed scan asks for no page twice: pages are kept in the scan's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

import requests

from kappatune.data.fetching import (
    TemporaryFailure,
    cached,
    get_json,
    new_session,
    one_line,
    with_retries,
    without_deep_nesting,
)
from kappatune.errors import BadSource
from kappatune.screening.sources import Unit
from kappatune.structures import Crystal, Rejection
from kappatune.structures.optimade import FIELDS, crystal_of_optimade

PAGE_LIMIT = 100
"""Structures asked for at once, unless the URL says otherwise; few providers give more."""


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
    with new_session() as session:
        while url:
            asked.add(url)
            where = f"{source}, page {len(asked)}"
            afterwards = f"pages kept: {len(asked) - 1}, and --resume continues from there"
            page = cached(fetched, url, partial(with_retries, partial(_ask, session, url, where), where, afterwards))
            entries, url = page["data"], page["next"]
            if url in asked or (url and entries == previous):
                raise BadSource(
                    f"{where}: the provider repeats itself, this page was sent before: report it to the provider"
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
    answer = get_json(session, url, where, detail=lambda content: _detail(_errors(content)))
    if errors := _errors(answer.content):
        raise TemporaryFailure(f"the provider reports an error ({_detail(errors)})")
    if not isinstance(answer.content, dict) or not isinstance(answer.content.get("data"), list):
        raise TemporaryFailure("the answer is not OPTIMADE's JSON: check the URL")
    entries = [without_deep_nesting(entry) for entry in answer.content["data"]]
    return {"data": entries, "next": _next_page(answer.url, answer.content.get("links"), where)}


def _next_page(url: str, links: object, where: str) -> str | None:
    following = links.get("next") if isinstance(links, dict) else None
    if isinstance(following, dict):
        following = following.get("href")
    if not following:
        return None
    try:
        return urljoin(url, following)
    except (TypeError, ValueError) as error:
        raise BadSource(f"{where}: the link to the next page is not a URL ({one_line(following)})") from error


def _errors(content: object) -> object:
    return content.get("errors") if isinstance(content, dict) else None


def _detail(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) and errors else None
    return one_line((first.get("detail") or first.get("title") or "") if isinstance(first, dict) else first or "")

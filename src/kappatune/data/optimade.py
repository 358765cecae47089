"""Structures of OPTIMADE providers, page by page."""

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
from kappatune.structures import Crystal, Rejection
from kappatune.structures.optimade import FIELDS, crystal_of_optimade

PAGE_LIMIT = 100
"""Structures per page, unless the URL says otherwise; few providers send more."""


def endpoint_of(source: str) -> str:
    """URL of a provider's structures, without a query.

    Raises:
        BadSource: The source is not a URL.
    """
    return _first_page(source, None).partition("?")[0]


def optimade_pages(source: str, filter: str | None, fetched: Path) -> Iterator[list[Any]]:
    """The entries of an OPTIMADE provider, one list per page.

    Args:
        source: Base URL, with or without version and `structures`; its query, for example `filter` or `page_limit`, is
            passed on.
        filter: OPTIMADE filter, combined with one in the URL.
        fetched: Folder where pages are stored.

    Yields:
        Entries, as `crystal_of_entry` takes them; empty pages are left out.

    Raises:
        BadSource: The provider cannot be reached, refuses, does not respond as specified, links pages in a circle, or
            has no such structure.
        OSError: The disk is full.
    """
    url: str | None = _first_page(source, filter)
    requested: set[str] = set()
    previous: list[Any] = []
    empty = True
    with new_session() as session:
        while url:
            requested.add(url)
            where = f"{source}, page {len(requested)}"
            advice = f"{len(requested) - 1} pages are stored, and --resume continues from there"
            page = cached(fetched, url, partial(with_retries, partial(_request, session, url, where), where, advice))
            entries, url = page["data"], page["next"]
            if url in requested or (url and entries == previous):
                raise BadSource(f"{where}: the provider sent a page that it had sent before: report it to the provider")
            if entries:
                empty = False
                yield entries
            previous = entries
    if empty:
        raise BadSource(f"{source}: the provider has no such structure")


def crystal_of_entry(entry: object, number: int, endpoint: str) -> Crystal | Rejection:
    """The crystal of one entry, or why there is none.

    Args:
        entry: An item of a page.
        number: Position among the provider's entries, counted from 1.
        endpoint: URL of the provider's structures; the id is appended to give the URL of the entry.
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


def _request(session: requests.Session, url: str, where: str) -> dict[str, Any]:
    """One page: its entries and the URL of the next."""
    response = get_json(session, url, where, detail=lambda content: _detail(_errors(content)))
    if errors := _errors(response.content):
        raise TemporaryFailure(f"the provider reports an error ({_detail(errors)})")
    if not isinstance(response.content, dict) or not isinstance(response.content.get("data"), list):
        raise TemporaryFailure("the response is not OPTIMADE's JSON: check the URL")
    entries = [without_deep_nesting(entry) for entry in response.content["data"]]
    return {"data": entries, "next": _next_page(response.url, response.content.get("links"), where)}


def _next_page(url: str, links: object, where: str) -> str | None:
    following = links.get("next") if isinstance(links, dict) else None
    if isinstance(following, dict):
        following = following.get("href")
    if not following:
        return None
    try:
        result: str | None = urljoin(url, following)
        return result
    except (TypeError, ValueError) as error:
        raise BadSource(f"{where}: the link to the next page is not a URL ({one_line(following)})") from error


def _errors(content: object) -> object:
    return content.get("errors") if isinstance(content, dict) else None


def _detail(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) and errors else None
    return one_line((first.get("detail") or first.get("title") or "") if isinstance(first, dict) else first or "")

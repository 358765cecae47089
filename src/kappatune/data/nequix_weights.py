"""Weights of Nequix, from where its own package gets them. They are not part of kappatune."""

from __future__ import annotations

import hashlib
from pathlib import Path

import requests

from kappatune.data.fetching import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, new_session
from kappatune.errors import BadSource
from kappatune.potentials.nequix import DEFAULT_MODEL, PUBLISHED, weights_path
from kappatune.storage import atomic_path

URL = (
    "https://github.com/atomicarchitects/nequix/raw/7c2854de8e754b1a60274c7d9d2e014989ed632e/"
    f"models/{DEFAULT_MODEL}.nqx"
)
"""The address in version 0.4.5 of the package `nequix`."""

SHA256 = PUBLISHED[DEFAULT_MODEL]

NOTICE = (
    f"{DEFAULT_MODEL}: T. Koker, A. Gangan, M. Kotak, J. Marian and T. Smidt (arXiv:2601.07742), "
    "licensed under CC BY 4.0; cite them with what you compute"
)
"""Authors and licence, to show whoever downloads."""

_LARGEST = 50_000_000


def fetch_nequix(out: Path | None = None, url: str = URL) -> Path:
    """Download the weights of `nequix-mp-1-pft` (3 MB), and check that they are the ones we know.

    Args:
        out: Where to put them; by default where `load_potential("nequix")` looks.
        url: Another address of the same file.

    Returns:
        Where they are. A file that is there already and intact is not fetched again.

    Raises:
        BadSource: The address cannot be reached, or gives another file.
    """
    path = out or weights_path()
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256:
        return path
    content = _download(url)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise BadSource(
            f"{url}: this is not the known file ({len(content):,} bytes, another SHA-256); nothing was kept. "
            f"If you have the weights, give their path: --calculator PATH.nqx"
        )
    with atomic_path(path) as partial:
        partial.write_bytes(content)
    return path


def _download(url: str) -> bytes:
    content = bytearray()
    try:
        with new_session().get(url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), stream=True) as response:
            response.raise_for_status()
            for part in response.iter_content(1 << 20):
                content += part
                if len(content) > _LARGEST:
                    raise BadSource(f"{url}: larger than {_LARGEST:,} bytes, so these are not the weights")
    except requests.RequestException as error:
        raise BadSource(
            f"{url}: the download failed ({type(error).__name__}). On a machine without network, copy the file there "
            "and give its path: --calculator PATH.nqx"
        ) from error
    return bytes(content)

"""Where networks run."""

from __future__ import annotations

import torch

from kappatune.errors import UserError


class BadDevice(UserError):
    """A device that this machine or this build of torch does not have."""


def checked_device(name: str) -> torch.device:
    """The torch device of a name.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`, ...

    Raises:
        BadDevice: There is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise BadDevice(f"there is no device {name!r} here: give 'cpu' ({first_line})") from error
    return device

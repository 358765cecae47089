"""The base class of the errors that users can fix."""


class UserError(ValueError):
    """Something the user can fix; the message says what is wrong and what to do.

    Every `Bad...` class of the package derives from it; commands print the message and exit with 1.
    """


class BadRequest(UserError):
    """Work that cannot start or continue as it was asked for; the message says why."""


class BadSource(UserError):
    """A source that cannot be read or fetched at all; the message names it."""


def unexpected(error: Exception) -> str:
    """What an error that nobody foresaw says, without the paths of this machine: rows are shown to others, too."""
    return f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"


def install_hint(extra: str) -> str:
    """How to install one of the optional sets of packages, for error messages."""
    wheel = f"pip install 'kappatune[{extra}]'"
    return f"pip install '.[{extra}]' in a clone of kappatune, or {wheel} if it was installed from a wheel"

"""The root of the errors that users can mend."""


class UserError(ValueError):
    """Something the user can mend; the message says what is wrong and what to do.

    Every `Bad...` class of the package derives from it; commands print the message and exit with 1.
    """


class BadSource(UserError):
    """A source that cannot be read or fetched at all; the message names it."""

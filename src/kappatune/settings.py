"""The base of all settings: frozen, checked when made, with messages for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from kappatune.errors import UserError


class BadSettings(UserError):
    """Settings that no calculation can use; the message names the field."""


class Settings(BaseModel):
    """Settings of a calculation; every field has a default.

    A subclass declares its fields with their ranges, and checks in pydantic validators what concerns several of them.

    Raises:
        BadSettings: A field is unknown, or its value is out of range.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # type checkers know the fields as arguments

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise BadSettings(_sentence(error)) from error

        __init__.__pydantic_base_init__ = True  # a web framework that validates settings gets pydantic's own error

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, checked again.

        Raises:
            BadSettings: As for new settings.
        """
        return type(self)(**dict(self) | changes)


def _sentence(error: ValidationError) -> str:
    faults = []
    for fault in error.errors():
        field = str(fault["loc"][0]) if fault["loc"] else ""
        message = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{field}: {message}" if field else message)
    return "; ".join(dict.fromkeys(faults))

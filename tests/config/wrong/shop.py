"""The models of the wrong files."""

from pydantic import BaseModel

LIMIT = 5


class Order(BaseModel):
    """An order."""

    id: int


class Customer(BaseModel):
    """A customer."""

    id: int


class Check:
    """No validator at all."""

"""A module of a user that can't be imported."""

PRICES = {"apple": 1}
PEAR = PRICES["pear"]

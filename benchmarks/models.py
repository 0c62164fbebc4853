"""What a team's own model looks like: an order with rules in Python."""

import pydantic

from streamlake.plugins.validators.orders import Order

PRICE_MAX = 1e9


class CheckedOrder(Order):
    """An order whose total is believable and whose customer is no test account."""

    @pydantic.field_validator("customer_id")
    @classmethod
    def no_test_account(cls, customer_id: int) -> int:
        """Numbers from 10^9 on are made by tests."""
        if customer_id >= 10**9:
            raise ValueError("a test account")
        return customer_id

    @pydantic.model_validator(mode="after")
    def total_is_believable(self) -> "CheckedOrder":
        """Nobody orders for more."""
        if self.total > PRICE_MAX:
            raise ValueError("a total that nobody pays")
        return self

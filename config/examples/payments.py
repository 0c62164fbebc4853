"""The records of own-model.yaml: what a payment has to look like, as its team would write it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Payment(BaseModel):
    """One payment. Fields that are not named here are accepted, and kept in the payload."""

    model_config = ConfigDict(extra="ignore")

    payment_id: str = Field(pattern=r"^pay_[a-z0-9]{8}$")
    amount: Annotated[Decimal, Field(gt=0, decimal_places=2)]
    currency: Literal["EUR", "USD"]
    method: Literal["card", "transfer"]
    card_last4: str | None = Field(default=None, pattern=r"^[0-9]{4}$")
    paid_at: datetime

    @model_validator(mode="after")
    def _a_card_has_its_digits(self) -> "Payment":
        """What goes beyond single fields is said in Python."""
        if (self.method == "card") != (self.card_last4 is not None):
            raise ValueError("card_last4 belongs to method card, and to no other")
        return self

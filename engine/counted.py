"""How many there are of something, as a person says it."""


def counted(count: int, one: str, many: str = "") -> str:
    """`1 record`, `0 records`, `1,200 records`; `many` where the plural is no added s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"

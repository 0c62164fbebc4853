"""File formats: how rows become bytes, and bytes rows again."""

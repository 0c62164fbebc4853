"""Validators: plugins that decide, batch by batch, which messages may land."""

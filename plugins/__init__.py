"""Sinks and validators: what the engine finds by name and talks to through `engine/contracts.py` alone."""

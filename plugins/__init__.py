"""Sinks and validators: what the engine finds by name and talks to through its contracts alone.

`engine/contracts.py` says what they promise, `engine/records.py` and `engine/entries.py` what is handed over.
"""

"""Sinks: where accepted records land. Each keeps its own account of how far it is."""

"""Pipelines to begin with, and a model of one's own beside the YAML that names it."""

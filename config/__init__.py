"""Settings: the pipeline's YAML as types, how it is loaded, and its JSON Schema."""

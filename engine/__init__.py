"""The engine: supervisor, worker, the path of a batch, operations and the command line."""

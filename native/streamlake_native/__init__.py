"""The compiled way of a batch: messages from librdkafka straight into Arrow's buffers, and a quick yes to JSON."""

from streamlake_native._native import Bytes, Decoder, Reader

__all__ = ["VERSION", "Bytes", "Decoder", "Reader"]

VERSION = 2
"""Of what is offered here: StreamLake does without a module whose version is not the one that it was made for."""

"""The compiled way of a batch: from librdkafka straight into Arrow's buffers, a quick yes to JSON, lines read back."""

from streamlake_native._native import Bytes, Decoder, Reader, contents, envelopes

__all__ = ["VERSION", "Bytes", "Decoder", "Reader", "contents", "envelopes"]

VERSION = 3
"""Of what is offered here: StreamLake does without a module whose version is not the one that it was made for."""

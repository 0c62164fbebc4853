"""The compiled way of a batch: messages from librdkafka straight into Arrow's buffers, and a quick yes to JSON."""

from streamlake_native._native import Bytes, Decoder, Reader

__all__ = ["Bytes", "Decoder", "Reader"]

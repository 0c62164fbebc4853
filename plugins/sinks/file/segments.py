"""A segment: the entries of one old folder, byte for byte, as the lines of an xz file (`xzcat` and `jq` read it).

Why xz: each of its bytes is checked, so that not one bit of a segment can change unnoticed; gzip leaves some that can.
The same lines come out of it whoever folded them, so it does not matter who does, or how often.
"""

import lzma
from collections.abc import Sequence

from streamlake.engine.contracts import Beat
from streamlake.engine.errors import LedgerDamagedError
from streamlake.plugins.sinks.file import layout

PRESET = 1
"""Needs 9 MiB of memory; the strongest would need 700, to save a tenth."""

SEGMENT_BYTES_MAX = 32 * 2**20
"""How many bytes of entries one segment takes: whoever folds or reads it has them all in memory."""


def packed(lines: Sequence[bytes], beat: Beat) -> bytes:
    """The segment of a folder's entries, each of which is a line."""
    compressor = lzma.LZMACompressor(preset=PRESET)
    parts: list[bytes] = []
    for line in lines:
        beat()
        parts.append(compressor.compress(line))
    return b"".join([*parts, compressor.flush()])


def unpacked(data: bytes, path: str) -> Sequence[bytes]:
    """The lines of the segment `data` found at `path`: as many as a folder has entries. Raises LedgerDamagedError."""
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        text = stream.decompress(data)
    except (lzma.LZMAError, EOFError) as error:
        raise LedgerDamagedError(f"{path} is no ledger segment ({len(data)} bytes, cut short or altered)") from error
    lines = text.splitlines(keepends=True)
    if not stream.eof or stream.unused_data or len(lines) != layout.ENTRIES_PER_FOLDER:
        raise LedgerDamagedError(
            f"{path} was altered: {len(lines)} entries, {len(stream.unused_data)} bytes behind them; "
            f"it was written with {layout.ENTRIES_PER_FOLDER} entries and nothing else"
        )
    return lines

"""The file sink: Parquet or JSON lines on a root, with a ledger and a commit protocol (DESIGN §5)."""

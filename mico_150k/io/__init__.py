"""Files, locks, storage, Arrow and Parquet: how bytes are read and written, whatever they are."""

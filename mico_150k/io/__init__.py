"""Reading and writing: files, locks, storage, Arrow and Parquet."""

"""The dataset folder: its layout, its records, its rows."""

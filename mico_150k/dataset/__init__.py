"""The dataset folder: its layout, records, rules and rows."""

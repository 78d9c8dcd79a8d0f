"""The dataset card: its header, text and file."""

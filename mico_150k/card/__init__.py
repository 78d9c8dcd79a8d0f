"""The dataset card: its header, its text, its file."""

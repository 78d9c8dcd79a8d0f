"""Images: reading headers, checking that files are whole, and re-encoding to one common form."""

"""What runs inside a trainer: a few lines in its clone, written by `mico patch`, call this code.

It imports nothing but the standard library, and Pillow, pyarrow or `datasets` where the trainer
itself needs them, in the versions that the trainer pins.
"""

DATA_VARIABLE = "MICO_150K_DATA"
"""The environment variable that names an export's folder; read when a training starts."""

"""`python -m mico_150k`: the same as `mico`."""

from mico_150k.cli import main

main()

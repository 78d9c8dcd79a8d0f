"""The Python twins of the commands: `mico build` is `build_dataset`, and so on.

`import mico_150k` names them all. The command line parses, calls them and shows what they return.
"""

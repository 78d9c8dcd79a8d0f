"""From a dataset folder to another: rows left out, a split set apart, a benchmark beside it.

What becomes of each row is decided on `index` (`assignment`, by `takedown`, `contamination` and
`validation_split`); shards that keep all their rows are linked, the others repacked.
"""

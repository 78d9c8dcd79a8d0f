"""From a dataset folder to another: rows left out, a split set apart, a benchmark beside it.

What becomes of each row is decided on `index` (`fates`, by `removal`, `overlap`, `near` and
`validation`); shards that keep all their rows are linked, the others written again (`shards`).
"""

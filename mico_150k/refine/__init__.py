"""Refinements: they derive a new dataset folder, decontaminated, split, filtered or taken down.

What becomes of each row is decided on `index` (`assignment`, by `takedown`, `contamination` and
`validation_split`); shards that keep all their rows are linked, the others repacked.
"""

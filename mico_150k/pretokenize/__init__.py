"""Pre-tokenization for Lumina-DiMOO: it encodes images as VQ codes.

Upstream's own pre-tokenizer fails on every record with several images. The way here: `source`
finds records and images, `plan` says which image is encoded at which sizes, `encoder` and
`workers` encode, `codes` keeps the result as the configuration `dimoo-codes`, and `pickles` makes
training's files of it, without a GPU or an image. `run` is all of it, and can be stopped anywhere.
"""

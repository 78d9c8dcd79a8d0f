"""Pre-tokenization for Lumina-DiMOO: it encodes images as VQ codes.

Upstream's own pre-tokenizer fails on every record with several images. Here, `dataset_images` lists
records and images, `plan` decides which image is encoded at which sizes, `encoder` and `workers`
encode, and `add_config` adds the codes as the configuration `dimoo-codes`. `run` does all of this,
and can be interrupted at any time.
"""

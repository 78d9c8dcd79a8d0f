"""Inspects sources and datasets as numbers, plots and a page, and checks datasets."""

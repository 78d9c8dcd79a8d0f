"""Looking: at a source, at a dataset, as numbers, plots and a page; and checking one."""

"""Whether a training would start: an export, a trainer's clone and its environment, checked."""

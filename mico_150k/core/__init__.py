"""The terms that all other packages share: samples, tasks, columns, trainers, errors."""

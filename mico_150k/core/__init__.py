"""What every room speaks of: samples, tasks, columns, configurations, trainers, errors."""

"""One file for each part of the benchmark; each has `run(plan) -> Part`."""

"""A pruning criterion for PruneBench, found through an entry point: `prunebench run --criteria spread`."""

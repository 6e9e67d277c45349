"""A spec becomes a run: protocols, sweeps, the store and its keys, checkpoints."""

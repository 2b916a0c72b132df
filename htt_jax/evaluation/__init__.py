"""What a trained run is worth on a split: estimates, metrics, tables, the H2O challenge."""

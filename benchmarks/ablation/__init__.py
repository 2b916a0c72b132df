"""What `benchmarks.ablations` is made of: studies, runs, their statistics, tables and pictures."""

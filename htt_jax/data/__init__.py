"""Reading prepared datasets: host code, NumPy only."""

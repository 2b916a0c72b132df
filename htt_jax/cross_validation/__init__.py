"""A run's training again for each fold of its dataset; the videos whose label the folds doubt."""

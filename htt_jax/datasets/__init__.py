"""What a dataset is: hands, joints, classes, camera, and the figures published on it."""

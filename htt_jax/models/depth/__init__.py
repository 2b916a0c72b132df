"""The networks of the depth systems: poses of cropped hands, actions of poses, both joined."""

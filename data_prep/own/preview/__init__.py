"""What was read of recordings, to look at: a picture of each, and a page with a player."""

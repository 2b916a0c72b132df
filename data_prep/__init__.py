"""From raw dataset folders to TFRecord video shards."""

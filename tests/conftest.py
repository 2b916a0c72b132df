"""What all tests share."""

import os

# Tests are many small programs on few cores: one device and no compilation cache left behind.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from absl import flags

flags.FLAGS.mark_as_parsed()  # Grain reads absl flags in its worker processes

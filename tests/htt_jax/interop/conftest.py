"""What the tests of reading checkpoints share."""

import pytest

from htt_jax.interop import imported
from tests import torch_files


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A checkpoint as the published code writes it."""
    path = tmp_path_factory.mktemp("imported") / "published.pth"
    torch_files.save_trained(path, epoch=30)
    return path


@pytest.fixture(scope="module")
def found(path):
    """What is read of it."""
    return imported.read(str(path))

"""All files that predicting may write into a folder."""

import pathlib

from htt_jax.prediction import attention_pictures, joint_picture, rerun_log
from htt_jax.prediction.drawn import PICTURE_FILE, VIDEO_FILE
from htt_jax.prediction.files import ATTENTION_FILE, JSON_FILE, NPZ_FILE
from htt_jax.support.files import make_folder, remove_earlier

FILES = (
    *(NPZ_FILE, JSON_FILE, ATTENTION_FILE),
    *(VIDEO_FILE, PICTURE_FILE, rerun_log.RERUN_FILE),
    *(attention_pictures.ACTION_FILE, attention_pictures.POSE_FILE, joint_picture.FILE),
)
"""Which of them depends on input, model and options."""


def make_room(out: pathlib.Path) -> None:
    """Makes the folder, without what is left in it of another video.

    Raises:
        InputError: it cannot be made.
    """
    make_folder(out)
    remove_earlier(out, FILES)

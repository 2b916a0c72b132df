"""Where the parts of an H2O recording may lie: the archives are unpacked in several ways."""

from data_prep import folders
from data_prep.raw import RawPath

CAMERA = "cam4"  # the head-mounted one
FRAMES = ("rgb", "rgb480_270")
IMAGES = ("", (".png", ".jpg", ".jpeg"))  # how images are called, the original kind first


def color_folder(root: RawPath, recording: str) -> RawPath:
    """The folder with the images of a recording such as 'subject1/h1/0'."""
    places = [camera / name for camera in cameras(root, recording) for name in FRAMES]
    return folders.fullest(places, *IMAGES)[0]


def cameras(root: RawPath, recording: str) -> list[RawPath]:
    """Where the head-mounted camera's folder of a recording may be.

    The archive of what the head-mounted camera saw calls the subject's folder subject1_ego.
    """
    subject, *place = recording.split("/")
    names = (subject, f"{subject}_ego")
    versions = [root / f"{name}_v1_1" / name for name in names]
    tops = [
        *(top for name in names for top in folders.unpacked(root / name)),
        *(top for top in versions if top.is_dir()),
        root / subject,  # named where there is none
    ]
    return [top.joinpath(*place, CAMERA) for top in tops]

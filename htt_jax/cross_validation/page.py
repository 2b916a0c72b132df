"""The videos whose labels are doubted, to look at."""

import dataclasses
from collections.abc import Iterator, Sequence

from htt_jax.cross_validation.doubts import Doubt
from htt_jax.cross_validation.running import Found
from htt_jax.data.views import HELD_OUT
from htt_jax.evaluation import analysis, estimates, one_run
from htt_jax.evaluation.report import blocks, gallery, videos
from htt_jax.evaluation.report.document import document
from htt_jax.evaluation.report.markup import element
from htt_jax.evaluation.report.videos import VideoView
from htt_jax.evaluation.tables import TextTable
from htt_jax.runs.config import open_source

SHOWN = 24  # videos
_NONE = "None: no video is taken for another action as surely as those that are labelled so."


def page(
    title: str, lead: str, folds: TextTable, found: Sequence[Found], doubted: Sequence[Doubt]
) -> str:
    """The whole document.

    Args:
        title: of the document.
        lead: what came out, in a sentence or two.
        folds: their figures.
        found: the folds.
        doubted: the videos to show, in their order; no more than SHOWN are.

    Raises:
        InputError: a frame cannot be decoded, or a fold's files are gone.
    """
    views = list(_views(found, doubted[:SHOWN]))
    header = element("header", element("h1", title), element("p", lead, class_="lead"))
    those = f"The {len(views)} most doubtful of {len(doubted)}"
    listed = [gallery.legend(), gallery.videos_list(views, those, "doubted")]
    main = element(
        "main",
        element("section", element("h2", "Folds"), blocks.text_table(folds)),
        element("section", element("h2", "Doubted labels"), listed if views else _NONE),
    )
    return document(title, [header, main])


def _views(found: Sequence[Found], doubted: Sequence[Doubt]) -> Iterator[VideoView]:
    """What is shown of each video; a fold is opened once."""
    made: dict[tuple[int, str], VideoView] = {}
    for fold in sorted({one.fold for one in doubted}):
        of_fold = found[fold]
        said = estimates.load(of_fold.evaluation / one_run.ESTIMATES_FILE)
        source = open_source(of_fold.config, HELD_OUT)
        masked = of_fold.config.mask_unannotated_hands
        errors = analysis.joint_errors(said, source.spec, mask_unannotated=masked)
        for one in (one for one in doubted if one.fold == fold):
            score = analysis.score(one.entry, errors, said)
            # What the label is doubted for, which need not be the likeliest class of all.
            score = dataclasses.replace(score, predicted=one.believed, correct=False)
            made[fold, score.video_id] = videos.view(
                score, one.entry, estimates=said, errors=errors, source=source
            )
    return (made[one.fold, one.entry["video_id"]] for one in doubted)

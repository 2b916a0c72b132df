"""How the page shows single videos."""

from collections.abc import Sequence

from htt_jax import measures
from htt_jax.evaluation.report import blocks, videos
from htt_jax.evaluation.report.markup import Html, element, jpeg
from htt_jax.evaluation.report.videos import Tile, VideoView
from htt_jax.measures import SPACES
from htt_jax.support.words import counted
from htt_jax.visual import colours


def legend() -> Html:
    """Which skeleton is which."""
    names = (("ground truth", colours.GROUND_TRUTH), ("estimate", colours.ESTIMATE))
    return element(
        "p",
        [
            [element("span", class_="swatch", style=f"background:{colours.hex_code(colour)}"),
             f"{name}\N{EM SPACE}"]
            for name, colour in names
        ],
        "The figure under a frame is the mean error of its joints in camera space.",
        class_="muted",
    )  # fmt: skip


def videos_list(views: Sequence[VideoView], title: str, name: str) -> Html:
    """Videos one below the other; `name` starts the ids."""
    articles = [_article(view, rank, f"{name}-{rank}") for rank, view in enumerate(views, 1)]
    return element("section", element("h3", title), articles)


def _article(view: VideoView, rank: int, name: str) -> Html:
    score = view.score
    figures = [
        f"{measures.in_space('mepe', space).title} {value:.1f} mm"
        for space, value in zip(SPACES, (score.mepe, score.mepe_ra), strict=True)
        if value is not None
    ]
    figures.append(counted(score.frames, "frame"))
    wrong = "wrong" if score.correct is False else None
    return element(
        "article",
        element("h4", f"{rank}. {score.video_id}"),
        element("p", element("span", videos.verdict(view), class_=wrong)),
        element("p", " · ".join(figures), class_="muted"),
        element(
            "div",
            element("ol", [element("li", _tile(tile, score.video_id)) for tile in view.tiles]),
            blocks.panel(view.scores, name, titled=False),
            class_="strip",
        ),
    )


def _tile(tile: Tile, video_id: str) -> Html:
    error = "" if tile.error is None else f"; mean error {tile.error:.0f} mm"
    alt = f"Frame {tile.frame} of {video_id}: hands, true and estimated{error}"
    picture = jpeg(tile.jpeg(), alt, videos.TILE_SIZE)
    return element("figure", picture, element("figcaption", videos.caption(tile)))

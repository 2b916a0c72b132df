"""The studies: which models are put side by side, and what is looked at.

Another study is another entry of `studies`; its first row, the scale's model unless another is in
question, is what the others are compared with. Rows of several studies that are the same model are
run once.
"""

import dataclasses
import fractions
from collections.abc import Callable

from benchmarks.ablation import forecasts, variants
from benchmarks.ablation.scales import Scale
from benchmarks.ablation.study import TEACHER, Figures, Row, Study
from htt_jax.datasets import published
from htt_jax.datasets.published import Published
from htt_jax.models.backbones import FULL_WIDTH
from htt_jax.models.htt.frames import ACTION_INPUTS, BOX


def studies(scale: Scale) -> dict[str, Study]:
    """All studies by name."""
    config = scale.config("")
    title = f"HTT, t = {config.model.window}, T = {config.data.frames}"
    full = Row("full", title, published=_of_window(published.WINDOW))
    return {
        "window": _window(scale, full),
        "action": _action(scale, full),
        "augmentation": _augmentation(scale, full),
        "early": Study(
            "The action's loss before the clip's end",
            ("early_accuracy", "action_accuracy", "mepe_ra"),
            (
                full,
                Row("over_time", "after every window", {"loss.action_over_time": 1.0}),
                Row("at_cut", "at a random cut (EAST)", {"loss.action_at_cut": 1.0}),
            ),
        ),
        "forecast": _forecast(scale, full),
        "later": _later(scale, full),
        "optimizer": _optimizer(scale, full),
        "spatial": _spatial(scale, full),
        "objects": _objects(full),
        "pretraining": _pretraining(scale, full),
        "distil": _distil(scale, full),
    }


def _window(scale: Scale, full: Row) -> Study:
    config = scale.config("")
    frames = config.data.frames
    rows = [
        Row(f"t{t}", _window_title(t, frames), {"model.window": t}, _of_window(of))
        for t, of in scale.windows.items()
        if t != config.model.window
    ]
    return Study(
        "The window t of the pose block (the paper's Tab. 4)",
        ("mepe_ra", "mepe", "auc_ra", "auc", "action_accuracy"),
        (full, *rows),
    )


def _action(scale: Scale, full: Row) -> Study:
    rows = [
        Row(f"T{count}", f"T = {count}", variants.shorter(scale, count), _of_frames(of))
        for count, of in scale.frames.items()
        if count != scale.config("").data.frames
    ]
    parallel = published.PARALLEL
    rows.append(Row("parallel", parallel, {"model.cascaded": False}, _of_variant(parallel)))
    rows += [
        Row(
            f"no_{left_out}",
            title,
            {"model.action_inputs": variants.inputs_without(left_out)},
            _of_variant(title),
        )
        for left_out, title in published.WITHOUT.items()
    ]
    return Study(
        "Frames T of a clip, and what the action block is told (the paper's Tab. 5)",
        ("action_accuracy", "early_accuracy", "mepe_ra"),
        (dataclasses.replace(full, published=_of_frames(published.FRAMES)), *rows),
    )


def _augmentation(scale: Scale, full: Row) -> Study:
    rows = [
        Row("none", "no augmentation", {"augment.enabled": False}),
        Row("no_colour", "no change of colour", variants.NO_COLOUR),
        Row("no_translation", "no translation", {"augment.translation": 0}),
    ]
    if scale.config("").augment.blur:
        rows.append(Row("no_blur", "no blur", {"augment.blur": 0.0}))
    return Study(
        "Augmentation of training clips", ("action_accuracy", "mepe_ra", "mepe"), (full, *rows)
    )


def _forecast(scale: Scale, full: Row) -> Study:
    """What is made of the poses of the scale's model, beside models that forecast."""
    config = scale.config("")
    usual, most = _frames_ahead(scale), config.data.frames - config.model.window
    baselines = [
        Row(name, f"no forecast: {title}", ahead=name)
        for name, (_, title) in forecasts.BASELINES.items()
    ]
    rows = [
        Row(f"ahead_{steps}", f"forecast of {steps} frames", {"model.forecast": steps})
        for steps in (usual // 2, usual, 2 * usual)
        if steps <= most
    ]
    first = dataclasses.replace(full, title=baselines[0].title, ahead=baselines[0].ahead)
    return Study(
        "Poses ahead",
        forecasts.within(usual * config.data.spacing),
        (first, *baselines[1:], *rows),
    )


def _frames_ahead(scale: Scale) -> int:
    """What a model that forecasts is asked for: a window, the default of 16 at most."""
    return min(scale.config("").model.window, 16)


def _later(scale: Scale, full: Row) -> Study:
    ahead = _frames_ahead(scale)
    return Study(
        "What later work adds to training",
        ("action_accuracy", "early_accuracy", "mepe_ra"),
        (
            full,
            Row("dropout", "token dropout, 0.3", {"training.token_dropout": 0.3}),
            Row("smoothing", "label smoothing, 0.1", {"loss.label_smoothing": 0.1}),
            Row("verb_noun", "verb and noun beside the action", {"model.verb_noun": True}),
            Row("forecast", f"{ahead} frames ahead told too", {"model.forecast": ahead}),
        ),
    )


def _optimizer(scale: Scale, full: Row) -> Study:
    muon, half = {"training.optimizer": "muon"}, variants.half_budget(scale)
    return Study(
        "The optimizer, and how many epochs it needs",
        ("mepe_ra", "mepe", "action_accuracy"),
        (
            full,
            Row("muon", "Muon instead of Adam", muon),
            Row("half", "half the epochs", half),
            Row("muon_half", "half the epochs, Muon", half | muon),
        ),
    )


def _spatial(scale: Scale, full: Row) -> Study:
    queries = {"model.spatial": "queries"}
    half, small = variants.half_budget(scale), variants.resized(scale, fractions.Fraction(3, 4))
    width, height = small["data.image_size"]
    asking = "queries of joints and object"
    return Study(
        "Queries that look at the backbone's maps, where there is less to learn from",
        ("mepe_ra", "mepe", "action_accuracy"),
        (
            full,
            Row("queries", asking, queries),
            Row("half", "half the epochs", half),
            Row("queries_half", f"half the epochs, {asking}", half | queries),
            Row("small", f"{width}x{height} pixels", small),
            Row("queries_small", f"{width}x{height} pixels, {asking}", small | queries),
        ),
    )


def _objects(full: Row) -> Study:
    """On datasets that have boxes of objects, as the simulated ones do."""
    told = {"model.object_box": True, "model.action_inputs": (*ACTION_INPUTS, BOX)}
    return Study(
        "Where the object is",
        ("action_accuracy", "early_accuracy", "mepe_ra"),
        (
            full,
            Row("object_box", "the object's box told too", {"model.object_box": True}),
            Row("box_input", "and the action block told it beside the class", told),
        ),
    )


LITE0_WEIGHTS = "pretrained/efficientnet-lite0.pth"


def _pretraining(scale: Scale, full: Row) -> Study:
    """What ImageNet is worth to a backbone of which anybody can have the weights.

    At demo scale half the budget must do, as two cores train that backbone at a fifth of the rate.
    """
    backbone = {"model.backbone": "tf_efficientnet_lite0", "model.backbone_width": FULL_WIDTH}
    random = backbone | {"init.backbone": ""}
    pretrained = backbone | {"init.backbone": LITE0_WEIGHTS}
    title = "What ImageNet's weights are worth"
    rows = [
        Row(full.name, full.title),
        Row("lite0", "EfficientNet-Lite0, random weights", random),
        Row("lite0_imagenet", "EfficientNet-Lite0, ImageNet's", pretrained),
    ]
    if scale.config("").data.image_size:  # others have the size they are stored with
        large = variants.resized(scale, fractions.Fraction(3, 2))
        width, height = large["data.image_size"]
        rows += [
            Row("large", f"{width}x{height} pixels", large),
            Row("lite0_large", f"{width}x{height} pixels, Lite0, random", random | large),
            Row("lite0_imagenet_large", f"{width}x{height}, Lite0, ImageNet's", pretrained | large),
        ]
        half = variants.half_budget(scale)
        rows = [dataclasses.replace(row, options={**row.options, **half}) for row in rows]
        title += ", in half the epochs"
    return Study(title, ("mepe_ra", "mepe", "action_accuracy"), rows, asked_for=True)


def _distil(scale: Scale, full: Row) -> Study:
    """What a small model gains of the scale's, which teaches it: so it alone comes first."""
    alone = variants.small_model(scale)
    return Study(
        "A small model, taught by the model of the scale",
        ("mepe_ra", "mepe", "action_accuracy", "early_accuracy"),
        (
            Row("small_alone", "a small model alone", alone),
            Row("small_taught", "with a teacher", alone | {TEACHER: "full"}),
            dataclasses.replace(full, title=f"the teacher: {full.title}"),
        ),
    )


def _window_title(t: int, frames: int) -> str:
    remarks = {1: ", no pose block", frames: ", the whole clip"}
    return f"t = {t}{remarks.get(t, '')}"


def _of_window(t: int | None) -> Callable[[Published], Figures]:
    """Tab. 4, averaged over the hands."""

    def figures(of_paper: Published) -> Figures:
        hands = list(of_paper.pose_of_window.get(t or 0, {}).values())
        return {key: sum(hand[key] for hand in hands) / len(hands) for key in (hands or [{}])[0]}

    return figures


def _of_frames(frames: int | None) -> Callable[[Published], Figures]:
    return lambda of_paper: _accuracy(of_paper.action_of_frames.get(frames or 0))


def _of_variant(name: str) -> Callable[[Published], Figures]:
    return lambda of_paper: _accuracy(of_paper.action_of_variant.get(name))


def _accuracy(per_cent: float | None) -> Figures:
    return {} if per_cent is None else {"action_accuracy": per_cent / 100}

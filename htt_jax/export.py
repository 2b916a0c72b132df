"""Writes a checkpoint in other formats; each is read back, run and compared before it counts."""

import argparse
from collections.abc import Sequence

from absl import logging

from htt_jax.devices import process
from htt_jax.interop.exporting import card_of, export, export_page, export_quantised
from htt_jax.interop.formats import FORMATS, WEB
from htt_jax.interop.quantising.figures import DEFAULT, Bound
from htt_jax.interop.quantising.quantised import KINDS, Asked, Quantised
from htt_jax.interop.web import runtime
from htt_jax.models.outputs import OUTPUTS
from htt_jax.support import cli
from htt_jax.support.errors import InputError

_WEB = "web"


def _parser() -> argparse.ArgumentParser:
    forms = {**FORMATS, _WEB: WEB}
    formats = "\n".join(f"  {name:12}{form.suffix:13}{form.help}" for name, form in forms.items())
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.export",
        description="Writes a checkpoint in another format, reads it back, runs it, and compares\n"
        "its outputs with the run's own. Writes a model card (.md) beside it.\n\n"
        f"formats:\n{formats}",
        epilog="example:\n  python -m htt_jax.export --workdir runs/fpha --to pytorch \\\n"
        "    --out export/htt.pth\n"
        "  python -m htt_jax.export --workdir runs/fpha --to onnx --quantize int8 \\\n"
        "    --out export/htt.onnx",
    )
    parser.add_argument(
        "--workdir", required=True, type=cli.location, help="of htt_jax.train or from_pytorch"
    )
    parser.add_argument("--to", required=True, choices=forms, help="see above")
    parser.add_argument("--out", required=True, type=cli.place, help="file to write")
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    parser.add_argument(
        "--web-runtime",
        "--web_runtime",
        metavar="TGZ",
        type=cli.path,
        help=f"with --to={_WEB}: npm package {runtime.PACKAGE} {runtime.VERSION}, as the .tgz of "
        "`npm pack` or its folder in node_modules; if not given, npm is asked for it",
    )
    quantising = parser.add_argument_group(
        "quantising, with --to=onnx or --to=web",
        "Smaller files for processors. Each layer is measured; size, speed and what `evaluate`\n"
        "tells before and after are printed and kept in the model card.",
    )
    quantising.add_argument(
        "--quantize",
        choices=KINDS,
        help="int8: convolutions that poses can bear compute in 8 bits, and the file keeps other "
        "weights in 8 or 16; float16: it keeps all in 16 bits; the rest is computed in float32",
    )
    quantising.add_argument(
        "--data",
        type=cli.location,
        help="prepared dataset to calibrate on (train) and to evaluate on; if not given, "
        "where the run was trained",
    )
    quantising.add_argument(
        "--most-loss",
        "--most_loss",
        metavar="P",
        type=float,
        help="refused if MEPE or MEPE-RA grow by more than P %%, or accuracies fall by more than "
        f"P / 2 points; if not given, {DEFAULT:g}",
    )
    return parser


def _asked(options: argparse.Namespace) -> Asked | None:
    """Whether and how it is to be quantised."""
    if options.quantize is None:
        for name in ("data", "most_loss"):
            if getattr(options, name) is not None:
                raise InputError(f"--{name.replace('_', '-')} is for --quantize; leave it away")
        return None
    if options.to not in ("onnx", _WEB):
        raise InputError(
            f"--quantize={options.quantize} is for --to=onnx or --to={_WEB}, not {options.to}"
        )
    bound = Bound(DEFAULT if options.most_loss is None else options.most_loss)
    return Asked(options.quantize, options.data, bound)


def _export(options: argparse.Namespace) -> tuple[dict[str, float], Quantised | None]:
    """How far what is written is from the run, and what quantising it came to."""
    asked = _asked(options)
    if options.to == _WEB:
        found = runtime.find(options.web_runtime)
        return export_page(options.workdir, options.out, found, asked, options.step)
    if options.web_runtime is not None:
        raise InputError(f"--web-runtime is for --to={_WEB}; leave it away")
    if asked is not None:
        return export_quantised(options.workdir, options.out, asked, options.step)
    return export(options.workdir, options.to, options.out, options.step), None


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    differences, quantised = _export(options)
    units = {output.name: output.unit for output in OUTPUTS}
    print("read back and run; largest differences to the run's own outputs:")
    for name, difference in differences.items():
        print(f"  {name:13} {difference:.2e} {units.get(name) or ''}".rstrip())
    if quantised is not None:
        print(f"then quantised:\n\n{quantised.text()}\n")
    print(f"written: {options.out}, model card: {card_of(options.out)}")


if __name__ == "__main__":
    cli.run(main, process.prepare)

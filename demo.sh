#!/usr/bin/env bash
# The whole way on a simulated dataset: render it, prepare it, train, evaluate.
# Everything goes to ./demo; run again, it continues where it stopped. PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")"

"${PYTHON:-python3}" -m venv .venv
. .venv/bin/activate
pip install --quiet --editable .

SECONDS=0
python -m data_prep.simulate --layout=fpha --out=demo/raw --repeats=15 --frames=12,14 --preview=demo/sheet.png
python -m data_prep.fpha --raw=demo/raw --out=demo/data
python -m htt_jax.train --config=configs/simulated.py --workdir=demo/run
python -m htt_jax.evaluate --workdir=demo/run
echo "demo: $SECONDS s after the installation"

#!/usr/bin/env bash
# Installs what the tests need beside the demo's environment and runs them.
set -euo pipefail
cd "$(dirname "$0")"

[ -d .venv ] || "${PYTHON:-python3}" -m venv .venv
. .venv/bin/activate
pip install --quiet --editable '.[test]'
# Else each of many processes would compile all it imports, and pytest every test anew.
unset PYTHONDONTWRITEBYTECODE
# A module stays in one process, with what its tests share. One process more than there are cores, as
# many tests wait for processes and servers.
pytest -n "$(($(nproc) + 1))" --dist loadscope --no-loadscope-reorder --durations=10

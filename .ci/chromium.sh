#!/usr/bin/env bash
# Prints the path of a Chromium for the pages of `export --to=web`: one that is there, else npm's. Where
# neither is to be had it prints nothing, and the tests that need one are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

for name in chromium chromium-browser google-chrome; do
    command -v "$name" && exit
done
mkdir -p build/chromium
cd build/chromium
# It unpacks itself into the folder of temporary files.
unpack='import("@sparticuz/chromium").then(async (x) => console.log(await x.default.executablePath()))'
if npm install --silent --no-audit --no-fund --ignore-scripts @sparticuz/chromium@147 >&2 &&
    path=$(TMPDIR=$PWD node --eval "$unpack") && "$path" --version >&2; then
    echo "$path"
else
    echo "no Chromium: the pages of export --to=web stay untried" >&2
fi

"""What every model card says of the export it lies beside."""

from htt_jax.support.files import sha256


def assert_card(folder, names, differences):
    """Its files, each with size and checksum, and how far its outputs are from the run's."""
    card = (folder / f"{names[0]}.md").read_text()
    for name in names:
        path = folder / name
        cells = [cell.strip() for cell in _line_of(card, f"| {name} ").split("|")[1:-1]]
        assert cells == [name, str(path.stat().st_size), sha256(path)]
    for name, difference in differences.items():
        assert f" {difference:.2e} |" in _line_of(card, f"| {name} ")


def _line_of(text, start):
    (line,) = (line for line in text.splitlines() if line.startswith(start))
    return line

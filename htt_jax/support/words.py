"""Numbers as people read them."""


def thousands(number: int) -> str:
    """'12 345'."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: int, thing: str) -> str:
    """'1 video', '12 345 videos'."""
    return f"{thousands(number)} {thing}{'' if number == 1 else 's'}"

"""Which objects and motions stand for the actions of FPHA and H2O."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Action:
    """A named action: the object, the motion over time, and whether that is played backwards."""

    name: str
    noun: str
    motion: str  # a key of motion.PROGRAMS
    backwards: bool = False


def _fpha() -> tuple[Action, ...]:
    rows = """
    open_juice_bottle juice_bottle uncap; close_juice_bottle juice_bottle uncap back
    pour_juice_bottle juice_bottle pour; open_peanut_butter peanut_butter uncap
    close_peanut_butter peanut_butter uncap back; prick fork prick; sprinkle spoon shake
    scoop_spoon spoon scoop; put_sugar spoon put; stir spoon stir; open_milk milk uncap
    close_milk milk uncap back; pour_milk milk pour; drink_mug mug drink; put_tea_bag tea_bag put
    put_salt salt shake; open_liquid_soap liquid_soap uncap
    close_liquid_soap liquid_soap uncap back; pour_liquid_soap liquid_soap pour
    wash_sponge sponge circle; flip_sponge sponge flip; scratch_sponge sponge rub
    squeeze_sponge sponge squeeze; open_soda_can soda_can uncap; use_flash spray press
    write pen write; tear_paper paper tear; squeeze_paper paper squeeze; open_letter letter unfold
    take_letter_from_enveloppe letter put back; read_letter paper read; flip_pages book flip
    use_calculator calculator press; light_candle match strike; charge_cell_phone cell_charger put
    unfold_glasses glasses unfold; clean_glasses glasses rub; open_wallet wallet unfold
    give_coin coin give; receive_coin coin give back; give_card card give
    pour_wine wine_bottle pour; toast_wine wine_glass toast; handshake hand rub
    high_five hand push"""
    return _parse(rows)


def _h2o() -> tuple[Action, ...]:
    nouns = ["book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino"]
    rows = [f"grab_{noun} {noun} put back" for noun in nouns]
    rows += [f"place_{noun} {noun} put" for noun in nouns]
    rows += [f"open_{noun} {noun} uncap" for noun in ("lotion", "milk", "chips")]
    rows += [f"close_{noun} {noun} uncap back" for noun in ("lotion", "milk", "chips")]
    rows += ["pour_milk milk pour"]
    rows += [f"take_out_{n} {n} insert back" for n in ("espresso", "cocoa", "chips", "cappuccino")]
    rows += [f"put_in_{noun} {noun} insert" for noun in ("espresso", "cocoa", "cappuccino")]
    rows += ["apply_lotion lotion circle", "apply_spray spray circle", "read_book book read"]
    rows += ["read_espresso espresso read", "spray_spray spray press"]
    rows += ["squeeze_lotion lotion squeeze"]
    return tuple(
        dataclasses.replace(action, name=action.name.replace("_", " "))
        for action in _parse(";".join(rows))
    )


def _parse(rows: str) -> tuple[Action, ...]:
    actions = []
    for row in rows.replace("\n", ";").split(";"):
        if words := row.split():
            name, noun, program, *back = words
            actions.append(Action(name, noun, program, backwards=back == ["back"]))
    return tuple(actions)


ACTIONS = {"fpha": _fpha(), "h2o": _h2o()}
"""All actions of each dataset in its own order: the first has id 1."""

DEFAULT_ACTIONS = {
    "fpha": (
        "open_juice_bottle", "close_juice_bottle", "pour_juice_bottle", "open_milk",
        "close_milk", "drink_mug", "put_salt", "flip_sponge",
    ),
    "h2o": (
        "grab book", "place book", "open lotion", "close lotion", "pour milk",
        "take out cocoa", "put in cocoa", "spray spray",
    ),
}  # fmt: skip
"""Two or more pairs share the object and are each other in reverse."""

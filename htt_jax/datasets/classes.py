"""The published classes of FPHA and H2O: each action, in the order of the ids, with its object."""

_FPHA = (
    ("juice_bottle", "open_juice_bottle close_juice_bottle pour_juice_bottle"),
    ("peanut_butter", "open_peanut_butter close_peanut_butter"),
    ("fork", "prick"),
    ("spoon", "sprinkle scoop_spoon put_sugar stir"),
    ("milk", "open_milk close_milk pour_milk"),
    ("mug", "drink_mug"),
    ("tea_bag", "put_tea_bag"),
    ("salt", "put_salt"),
    ("liquid_soap", "open_liquid_soap close_liquid_soap pour_liquid_soap"),
    ("sponge", "wash_sponge flip_sponge scratch_sponge squeeze_sponge"),
    ("soda_can", "open_soda_can"),
    ("spray", "use_flash"),
    ("pen", "write"),
    ("paper", "tear_paper squeeze_paper"),
    ("letter", "open_letter take_letter_from_enveloppe"),
    ("paper", "read_letter"),
    ("book", "flip_pages"),
    ("calculator", "use_calculator"),
    ("match", "light_candle"),
    ("cell_charger", "charge_cell_phone"),
    ("glasses", "unfold_glasses clean_glasses"),
    ("wallet", "open_wallet"),
    ("coin", "give_coin receive_coin"),
    ("card", "give_card"),
    ("wine_bottle", "pour_wine"),
    ("wine_glass", "toast_wine"),
    ("hand", "handshake high_five"),
)
_H2O_OBJECTS = ("book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
_H2O = (
    ("grab", _H2O_OBJECTS),
    ("place", _H2O_OBJECTS),
    ("open", ("lotion", "milk", "chips")),
    ("close", ("lotion", "milk", "chips")),
    ("pour", ("milk",)),
    ("take out", ("espresso", "cocoa", "chips", "cappuccino")),
    ("put in", ("espresso", "cocoa", "cappuccino")),
    ("apply", ("lotion", "spray")),
    ("read", ("book", "espresso")),
    ("spray", ("spray",)),
    ("squeeze", ("lotion",)),
)

FPHA_OBJECT_OF_ACTION = {action: name for name, actions in _FPHA for action in actions.split(" ")}
"""45 actions and 26 objects; objects are numbered by their first appearance."""

H2O_OBJECT_OF_ACTION = {f"{verb} {name}": name for verb, names in _H2O for name in names}
"""36 actions and 8 objects; the action of id 0 has label 1 in the raw files (0: background)."""

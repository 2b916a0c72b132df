"""Tables as lists of rows with plain values, in the order in which to show them."""

from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
Table: TypeAlias = list[Row]

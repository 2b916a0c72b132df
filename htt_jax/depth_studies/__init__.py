"""All stages of the depth systems in their order, with controls, and the table of them."""

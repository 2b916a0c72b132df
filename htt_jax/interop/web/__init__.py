"""The page that runs an exported model in a browser, and what it is made of."""

"""Tables of characters and words."""

"""The documents: their links, their site, and every command in them."""

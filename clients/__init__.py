"""The clients, each with its own tools, and the kit that checks all of them."""

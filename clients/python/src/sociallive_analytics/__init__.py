"""Client of Social Live Analytics."""

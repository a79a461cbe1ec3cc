"""RPCs: proto in, call, proto out."""

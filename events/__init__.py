"""What an event is: catalogue, rules and normalisation. Pure: no I/O, no grpc, no SQL."""

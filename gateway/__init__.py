"""The API gateway's room: the Envoy that transcodes JSON to gRPC is configured and started from here."""

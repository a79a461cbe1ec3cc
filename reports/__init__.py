"""Reports: questions about stored events, and the kernels that answer them from tables of events."""

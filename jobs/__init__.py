"""What runs by the clock: one schedule, one lease, one idempotent run() a job."""

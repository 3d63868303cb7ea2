"""The service on an AWS of this machine: real queues, buckets and pollers, real containers."""

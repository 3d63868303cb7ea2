#!/bin/sh
# Lambda tells its runtime where the runtime API is. Where nobody does, the runtime emulator,
# mounted at the place AWS's own images have it, stands in for Lambda and starts the same command.
set -eu
set -- /usr/bin/python3.13 -m awslambdaric "$@"
if [ -z "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    set -- /usr/local/bin/aws-lambda-rie "$@"
fi
exec "$@"

"""The echo, in a process that has the model loaded as an API would, and does nothing with it."""

import os

from onnxruntime import InferenceSession, SessionOptions

from bench.peers.echo import lambda_handler

__all__ = ["lambda_handler"]

_OPTIONS = SessionOptions()
_OPTIONS.intra_op_num_threads = _OPTIONS.inter_op_num_threads = 1
SESSION = InferenceSession(os.environ["BENCH_MODEL"], _OPTIONS)

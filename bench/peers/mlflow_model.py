"""The pipeline as a model that MLflow serves, made once."""

import os
import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        joblib.load(os.environ["BENCH_PIPELINE"]),
        sys.argv[1],
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
    )

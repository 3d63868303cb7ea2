"""The application for uvicorn, which calls `create` in each of its workers."""

from fastapi import FastAPI

from functions.api.app import create_app
from functions.api.settings import read_settings


def create() -> FastAPI:
    return create_app(read_settings())

"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

import gc
import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mangum import Mangum


def _started() -> "Mangum":
    # What is imported is there to stay. To look through it for garbage, again and again while it
    # grows, is a fifth of a start; and freezing spares all later looks the same.
    gc.disable()
    # The image has no plugins for pydantic, which reads what every package says to look for some.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _import_fastapi()
    from functions.api.app import create_app
    from functions.api.gateway import behind_gateway
    from functions.api.settings import read_settings

    handler = behind_gateway(create_app(read_settings()))
    gc.freeze()
    gc.enable()
    return handler


def _import_fastapi() -> None:
    """With the models that it has of the parts of an OpenAPI document, each to be built when it is
    first used. There are forty, no prediction needs one, and to build them is a tenth of a start.
    """
    from pydantic import BaseModel, ConfigDict

    usual = BaseModel.model_config
    BaseModel.model_config = ConfigDict(defer_build=True)
    import_module("fastapi")
    BaseModel.model_config = usual


lambda_handler = _started()

"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

import gc
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mangum import Mangum


def _started() -> "Mangum":
    # What is imported is there to stay. To look through it for garbage, again and again while it
    # grows, is a fifth of a start; and freezing spares all later looks the same.
    gc.disable()
    # Nor has the image plugins for pydantic, which reads what every package says to look for some.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from pydantic import BaseModel, ConfigDict

    # FastAPI has forty models of what OpenAPI's documents are made of. To build them is a tenth of
    # a start, and no prediction uses one. Each is built when it is first used; those that
    # predictions do use ask for it at once.
    BaseModel.model_config = ConfigDict(defer_build=True)

    from functions.api.app import create_app
    from functions.api.gateway import behind_gateway
    from functions.api.settings import read_settings

    handler = behind_gateway(create_app(read_settings()))
    gc.freeze()
    gc.enable()
    return handler


lambda_handler = _started()

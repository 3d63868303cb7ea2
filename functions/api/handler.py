"""The Lambda's entry point. Work at import is on purpose: it is the cold start."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functions.api.gateway import Handler


def _started() -> "Handler":
    # What is imported is there to stay. To look through it for garbage, again and again while it
    # grows, is a fifth of a start; and freezing spares all later looks the same.
    gc.disable()
    # The image has no plugins for pydantic, which reads what every package says to look for some.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    _import_fastapi()
    from functions.api.app import create_app
    from functions.api.gateway import behind_gateway
    from functions.api.settings import read_lambda_settings

    handler = behind_gateway(create_app(read_lambda_settings()))
    gc.freeze()
    gc.enable()
    return handler


def _import_fastapi() -> None:
    """With the models that it has of the parts of an OpenAPI document, each to be built when it is
    first used. There are forty, no prediction needs one, and to build them is a sixth of a start.
    """
    from pydantic import BaseModel, ConfigDict

    build = vars(BaseModel)["model_rebuild"].__func__

    def build_if_used(model: type[BaseModel], /, *, raise_errors: bool = True, **how: Any) -> Any:
        # FastAPI has some built as soon as all that they refer to are declared. Only who uses a
        # model that is not built yet, so pydantic itself, asks for no errors.
        return None if raise_errors else build(model, raise_errors=False, **how)

    with _replaced(
        BaseModel,
        model_config=ConfigDict(defer_build=True),
        model_rebuild=classmethod(build_if_used),
    ):
        import_module("fastapi")


@contextmanager
def _replaced(owner: type, **members: object) -> Iterator[None]:
    usual = {name: vars(owner)[name] for name in members}
    for name, member in members.items():
        setattr(owner, name, member)
    try:
        yield
    finally:
        for name, member in usual.items():
            setattr(owner, name, member)


lambda_handler = _started()

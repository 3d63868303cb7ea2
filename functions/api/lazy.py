"""Routes that are added when a request first needs one of them."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send


class LazyApi(FastAPI):
    """An application that adds the routes which no prediction needs at the first request for one.

    To import and describe them takes longer than to load a model, and most processes of a Lambda
    never get such a request.
    """

    _include: Callable[[], None] | None = None

    def include_later(self, include: Callable[[], None]) -> None:
        """Call `include` once, when a request matches none of the routes there are."""
        self._include = include
        self._not_found = self.router.default
        self.router.default = self._route_again

    def include_rest(self) -> None:
        """Add the other routes. If that fails, the next request tries it again."""
        if self._include is not None:
            routes = [*self.router.routes]
            try:
                self._include()
            except BaseException:
                self.router.routes[:] = routes
                raise
            self._include = None
            self.router.default = self._not_found

    async def _route_again(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.include_rest()
        await self.router(scope, receive, send)

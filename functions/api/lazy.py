"""Routes that are made when somebody first asks for them."""

from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send


class LazyApi(FastAPI):
    """Holds back routes that no prediction needs: to import and describe them takes longer than to
    load a model, and most processes of a Lambda are never asked for one of them.
    """

    _include: Callable[[], None] | None = None

    def include_later(self, include: Callable[[], None]) -> None:
        """Call `include` once, when a request matches none of the routes there are."""
        self._include = include
        self._not_found = self.router.default
        self.router.default = self._route_again

    def include_rest(self) -> None:
        """Where it fails, the next request has it tried again."""
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

"""Routes that are made when somebody first asks for them."""

from fastapi.testclient import TestClient

from functions.api.lazy import LazyApi


class Api:
    """included: how often the rest was."""

    def __init__(self) -> None:
        self.included = 0
        self.app = LazyApi()
        self.app.add_api_route("/now", lambda: "now")
        self.app.include_later(self._include)
        self.client = TestClient(self.app)

    def _include(self) -> None:
        self.included += 1
        self.app.add_api_route("/later", lambda: "later", methods=["POST"])

    def status(self, method: str, path: str) -> int:
        return int(self.client.request(method, path).status_code)


def test_nobody_waits_for_what_was_not_asked_for() -> None:
    api = Api()
    assert (api.status("GET", "/now"), api.included) == (200, 0)
    assert (api.status("POST", "/now"), api.included) == (405, 0)


def test_the_first_request_for_it_is_answered_by_it() -> None:
    api = Api()
    assert api.client.post("/later").json() == "later"
    assert api.client.post("/later").json() == "later"
    assert api.included == 1


def test_what_is_nowhere_is_nowhere_afterwards_too() -> None:
    api = Api()
    assert [api.status("GET", "/nowhere") for _ in range(2)] == [404, 404]
    assert api.status("GET", "/later") == 405
    assert api.included == 1


def test_the_rest_can_be_asked_for_at_once() -> None:
    api = Api()
    api.app.include_rest()
    api.app.include_rest()
    assert (api.status("POST", "/later"), api.included) == (200, 1)


def test_a_rest_that_cannot_be_had_today_can_be_tomorrow() -> None:
    answers = iter([OSError("too many open files"), None])

    def include() -> None:
        app.add_api_route("/first", lambda: "first")
        if problem := next(answers):
            raise problem
        app.add_api_route("/later", lambda: "later")

    app = LazyApi()
    app.include_later(include)
    client = TestClient(app, raise_server_exceptions=False)
    assert [client.get("/later").status_code for _ in range(3)] == [500, 200, 200]
    paths = [getattr(route, "path", None) for route in app.router.routes]
    assert (paths.count("/first"), paths.count("/later")) == (1, 1)


def test_an_app_without_a_rest_has_none() -> None:
    app = LazyApi()
    app.include_rest()
    assert TestClient(app).get("/later").status_code == 404

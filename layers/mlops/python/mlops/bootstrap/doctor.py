"""Wiring of the doctor: where what should agree is read."""

from mlops.bootstrap import open_objects
from mlops.bootstrap.registry import open_registry
from mlops.bootstrap.releases import find_stack, open_alarms, open_console, output, places_of
from mlops.release.doctor import Cloud, DeployedStack, Store


def open_stack(name: str, *, named: bool, local: Store) -> tuple[DeployedStack, Store]:
    """Find a stack, and open its store; that is the local one while a stack has no outputs.

    Raises StackNotFound; CloudUnavailable, also where it is a stack of something else.
    """
    stack = find_stack(name)
    if not stack.outputs:
        return DeployedStack(stack.name, named, stack.status, stack.parameters, None), local
    places = places_of(stack)
    cloud = Cloud(
        api=places.api,
        batch=places.batch,
        deps=open_console(places).deps,
        alarms=open_alarms(output(stack, "AlarmNames").split(",")),
        holding=places.alarms,
    )
    store = Store(
        places.store, open_objects(places.store, patient=True), open_registry(places.store)
    )
    return DeployedStack(stack.name, named, stack.status, stack.parameters, cloud), store

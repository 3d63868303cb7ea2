"""Wiring of the doctor: where what should agree is read."""

from mlops.aws.stacks import Stack
from mlops.bootstrap import open_objects
from mlops.bootstrap.registry import open_registry
from mlops.bootstrap.releases import open_alarms, open_console, output, places_of
from mlops.release.doctor.gathering import Cloud, Shelf
from mlops.release.pin_parameter import split_pins


def open_stack(stack: Stack, *, named: bool) -> tuple[Cloud, Shelf]:
    """Open a stack and its store. Nothing is called yet; see `Cloud`.

    Raises CloudUnavailable, also where it is a stack of something else; StoreUnavailable.
    """
    places = places_of(stack)
    cloud = Cloud(
        stack=stack.name,
        named=named,
        status=stack.status,
        parameters=split_pins(stack.parameters),
        api=places.api,
        batch=places.batch,
        release=output(stack, "ReleaseFunctionName"),
        deps=open_console(places).deps,
        alarms=open_alarms(output(stack, "AlarmNames").split(",")),
        holding=places.alarms,
    )
    store = places.store
    return cloud, Shelf(store, open_objects(store, patient=True), open_registry(store))

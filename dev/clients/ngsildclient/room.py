"""Plays an application that uses ngsildclient: entities, queries, batches, contexts, types, subscriptions, the past.

usage: room.py BROKER LISTENER
BROKER is http://host:port of a broker that keeps the past, LISTENER where notifications go. Whatever is not as it should
be raises.
"""

import sys
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ngsildclient import Client, Entity, SubscriptionBuilder
from ngsildclient.api.exceptions import NgsiAlreadyExistsError, NgsiBadRequestDataError, NgsiResourceNotFoundError

broker, listener = sys.argv[1:]
address = urlsplit(broker)
OBSERVED = datetime(2026, 1, 1, 12)


def refused(kind, call, *arguments):
    """The problem that a call is refused with."""
    try:
        call(*arguments)
    except kind as refusal:
        return refusal.problemdetails
    raise AssertionError(f"{call} was not refused")


def room(number, temperature):
    entity = Entity("Room", str(number))
    entity.prop("temperature", temperature, unitcode="CEL", observedat=OBSERVED + timedelta(hours=number))
    entity.prop("name", f"room {number}")
    entity.gprop("location", (44.5, 8.5 + number))
    entity.rel("isPartOf", "House:1")
    return entity


def entities(context):
    first = room(1, 21.5)
    assert context.create(first)
    problem = refused(NgsiAlreadyExistsError, context.create, first)
    assert (problem.status, first.id in problem.detail) == (409, True), problem
    shown = context.get(first.id)
    assert shown.type == "Room"
    assert shown["temperature.value"] == 21.5
    assert shown["temperature.observedAt"] == "2026-01-01T13:00:00Z"
    assert shown["location.value.coordinates"] == [9.5, 44.5], shown["location"]
    assert shown["isPartOf.object"] == "urn:ngsi-ld:House:1"
    assert context.exists(first.id) and not context.exists("urn:ngsi-ld:Room:9")
    refused(NgsiResourceNotFoundError, context.get, "urn:ngsi-ld:Room:9")
    first["temperature.value"] = 22
    assert context.update(first)
    assert context.get(first.id)["temperature.value"] == 22
    assert context.upsert(room(2, 30))


def batches(context):
    result = context.upsert([room(number, number) for number in range(2, 52)])
    # Room 2 was there, so some were created and some updated: only those created are told.
    assert result.n_err == 0, result
    again = context.create([room(number, 0) for number in range(51, 53)])
    assert (again.n_ok, again.n_err) == (1, 1), again
    assert context.update([room(52, 52)]).ok
    assert context.delete([room(52, 0)]).n_err == 0


def queries(context):
    assert context.count(type="Room") == 51
    # More than one page.
    assert len(context.query(type="Room", limit=20)) == 51
    assert sorted(entity["temperature.value"] for entity in context.query(type="Room", q="temperature>48")) == [49, 50, 51]
    assert len(context.query(type="Room", q='name=="room 3"')) == 1
    query = {"type": "Query", "entities": [{"type": "Room", "idPattern": ".*Room:4.$"}]}
    assert len(context.alt.query(query)) == 10
    problem = refused(NgsiBadRequestDataError, lambda: context.query(type="Room", q="temperature>>"))
    assert "q" in problem.detail, problem
    assert any(name.endswith("Room") for name in context.types.list())


def subscriptions(context):
    builder = SubscriptionBuilder(listener).description("rooms").watch(["temperature"]).notif(["temperature"])
    builder.select_type("Room")
    subscribed = context.subscriptions.create(builder.build())
    assert context.subscriptions.get(subscribed)["description"] == "rooms"
    assert len(context.subscriptions.list("rooms")) == 1
    assert context.batch.update([room(3, 33.5)]).ok
    assert context.subscriptions.delete("rooms")
    assert context.subscriptions.list() == []


def contexts(context):
    context.contexts.add({"@context": {"Zimmer": "https://example.org/Room", "warm": "https://example.org/warm"}})
    listed = context.contexts.list()
    hosted = [url for url in listed if "/ngsi-ld/v1/jsonldContexts/" in url]
    assert len(hosted) == 1, listed
    # A broker that has it needs nobody to fetch it.
    entity = Entity("Zimmer", "1", ctx=[hosted[0]])
    entity.prop("warm", True)
    assert context.create(entity)
    assert context.get(entity.id)["type"] == "https://example.org/Room"
    assert context.get(entity.id, ctx=hosted[0])["warm.value"] is True
    assert context.delete(entity)
    name = hosted[0].rsplit("/", 1)[-1]
    assert "Zimmer" in context.contexts.get(name)["@context"]
    assert context.contexts.delete(name)


def past(context):
    history = context.temporal.get("urn:ngsi-ld:Room:3", attrs=["temperature"])
    values = history["temperature"]["values"]
    assert sorted(value for value, _ in values) == [3, 33.5], history


with Client(address.hostname, address.port, verbose=False) as context:
    for part in (entities, batches, queries, subscriptions, contexts, past):
        part(context)
    context.drop("Room")
    assert context.count(type="Room") == 0

with Client(address.hostname, address.port, tenant="orange", verbose=False) as other:
    assert other.count(type="Room") == 0
    assert other.create(room(1, 5))
    assert other.count(type="Room") == 1

with Client(address.hostname, address.port, verbose=False) as context:
    assert context.count(type="Room") == 0

print("done")

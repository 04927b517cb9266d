"""Plays an application that uses FiLiP: entities, attributes, queries, batches, subscriptions, registrations, commands.

usage: room.py BROKER LISTENER
BROKER is http://host:port, LISTENER where notifications go. Whatever is not as it should be raises.
"""

import sys

from filip.clients.ngsi_v2 import ContextBrokerClient
from filip.models.base import FiwareHeader
from filip.models.ngsi_v2.base import Status
from filip.models.ngsi_v2.context import (
    ContextAttribute,
    ContextEntity,
    NamedCommand,
    NamedContextAttribute,
    Query,
)
from filip.models.ngsi_v2.registrations import Registration
from filip.models.ngsi_v2.subscriptions import Subscription

broker, listener = sys.argv[1:]
header = FiwareHeader(service="filip", service_path="/house")
with ContextBrokerClient(url=broker, fiware_header=header) as context:
    assert context.get_version()["orion"]["version"] == "4.7.0"
    assert "uptime_in_secs" in context.get_statistics()
    assert context.get_resources()["entities_url"] == "/v2/entities"

    room = ContextEntity(id="Room1", type="Room")
    room.add_attributes({"temperature": ContextAttribute(type="Number", value=21.5)})
    context.post_entity(room)
    # FiLiP looks for what is there before it overwrites it.
    context.post_entity(room, update=True)
    assert context.get_entity("Room1").get_attribute("temperature").value == 21.5
    assert context.does_entity_exist("Room1", "Room")
    assert not context.does_entity_exist("Room9", "Room")

    subscription = Subscription.model_validate(
        {
            "subject": {"entities": [{"id": "Room1", "type": "Room"}], "condition": {"attrs": ["temperature"]}},
            "notification": {"http": {"url": listener}, "attrs": ["temperature"]},
        }
    )
    subscribed = context.post_subscription(subscription)
    # The same again is known to be there.
    assert context.post_subscription(subscription) == subscribed

    context.update_attribute_value(entity_id="Room1", attr_name="temperature", value=22)
    assert context.get_attribute_value(entity_id="Room1", attr_name="temperature") == 22
    context.update_or_append_entity_attributes(
        entity_id="Room1",
        entity_type="Room",
        attrs=[NamedContextAttribute(name="humidity", type="Number", value=40)],
    )
    context.post_command(entity_id="Room1", entity_type="Room", command=NamedCommand(name="humidity", value=41))
    assert context.get_attribute_value(entity_id="Room1", attr_name="humidity") == 41

    rooms = [ContextEntity(id=f"Room{number}", type="Room", temperature={"type": "Number", "value": number}) for number in range(2, 30)]
    context.update(entities=rooms, action_type="append")
    # More than one page of the broker's 20.
    assert len(context.get_entity_list(entity_types=["Room"])) == 29
    assert len(context.get_entity_list(q="temperature>25")) == 4
    query = Query.model_validate({"entities": [{"idPattern": "Room2.*", "typePattern": ".*"}], "attrs": ["temperature"]})
    assert len(context.query(query=query)) == 11
    assert [kind["type"] for kind in context.get_entity_types()] == ["Room"]

    stored = context.get_subscription(subscribed)
    assert stored.status == Status.ACTIVE
    context.delete_subscription(subscribed)
    assert context.get_subscription_list() == []

    registration = Registration.model_validate(
        {
            "dataProvided": {"entities": [{"id": "Far1", "type": "Far"}], "attrs": ["distance"]},
            "provider": {"http": {"url": "http://127.0.0.1:1/v2"}},
        }
    )
    registered = context.post_registration(registration)
    assert [known.id for known in context.get_registration_list()] == [registered]
    context.delete_registration(registered)

    context.delete_entity("Room1", entity_type="Room")
    context.delete_entities(rooms)
    assert context.get_entity_list() == []
print("done")

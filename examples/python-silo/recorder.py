#!/usr/bin/env python3
"""A vSilo in Python, written against the contract of a workload (docs/workload-contract.md).

It has no broker: it prints what each vThing said as a line of JSON, which `morgana logs` shows. It knows the messages
of VirIoT alone, and needs nothing of Morgana but the environment variables and MQTT:

    pip install paho-mqtt
    morgana add-flavour -f recorder -i exec:$PWD/examples/python-silo/recorder.py
    morgana create-vsilo -t tenant1 -s diary -f recorder --wait
    morgana add-vthing -t tenant1 -s diary -v host/load
    morgana logs vsilo/tenant1_diary -f
"""

import json
import os
import socket
import sys
import threading

import paho.mqtt.client as mqtt

ID = os.environ["vSiloID"]


class Recorder:
    def __init__(self):
        self.ended = threading.Event()
        self.last_word = None
        # Of each vThing, its entities by id.
        self.v_things = {}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"silo:{ID}")
        # The credential is this silo's own; in legacy mode there is none.
        if "MORGANA_FABRIC_USER" in os.environ:
            self.client.username_pw_set(
                os.environ["MORGANA_FABRIC_USER"], os.environ["MORGANA_FABRIC_PASSWORD"]
            )
        self.client.on_connect = self.connected
        self.client.on_message = self.heard

    def run(self):
        self.client.connect(os.environ["MQTTControlBrokerIP"], int(os.environ["MQTTControlBrokerPort"]))
        self.client.loop_start()
        self.ended.wait()
        # Not where it was said: the thread that hears is the one that sends.
        self.last_word.wait_for_publish(5)
        self.client.disconnect()
        self.client.loop_stop()

    def connected(self, client, _userdata, _flags, reason, _properties):
        """Whoever connects again has to subscribe again, and to ask for what was missed."""
        if reason.is_failure:
            print(f"the fabric refuses the connection: {reason}", file=sys.stderr)
            return
        client.subscribe([(f"vSilo/{ID}/c_in", 1), (f"vSilo/{ID}/data_in", 1)])
        for v_thing in list(self.v_things):
            self.follow(v_thing)
        tell_ready()

    def heard(self, _client, _userdata, message):
        # One message that cannot be read must not end the thread that reads them.
        try:
            payload = json.loads(message.payload)
            if "command" in payload:
                self.controlled(payload)
            else:
                self.record(payload)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"a message on {message.topic} cannot be understood: {error!r}", file=sys.stderr)

    def controlled(self, message):
        command = message["command"]
        # A repetition changes nothing.
        if command == "addVThing" and message["vThingID"] not in self.v_things:
            self.v_things[message["vThingID"]] = {}
            say(connected=message["vThingID"])
            self.follow(message["vThingID"])
        elif command == "deleteVThing" and self.v_things.pop(message["vThingID"], None) is not None:
            v_thing = message["vThingID"]
            self.client.unsubscribe([f"vThing/{v_thing}/data_out", f"vThing/{v_thing}/c_out"])
            say(gone=v_thing)
        elif command == "getContextResponse":
            self.record(message)
        elif command == "destroyVSilo":
            self.last_word = self.publish(f"vSilo/{ID}/c_out", {"command": "destroyVSiloAck", "vSiloID": ID})
            self.ended.set()

    def follow(self, v_thing):
        self.client.subscribe([(f"vThing/{v_thing}/data_out", 0), (f"vThing/{v_thing}/c_out", 1)])
        request = {"command": "getContextRequest", "vSiloID": ID, "vThingID": v_thing}
        self.publish(f"vThing/{v_thing}/c_in", request)

    def record(self, message):
        v_thing = message["meta"]["vThingID"]
        for entity in message["data"]:
            known = self.v_things[v_thing].setdefault(entity["id"], {})
            # A message has what changed, or everything.
            known.update(entity)
            say(vThing=v_thing, entity=known)

    def publish(self, topic, message):
        return self.client.publish(topic, json.dumps(message), qos=1)


def say(**what):
    print(json.dumps(what), flush=True)


def tell_ready():
    """sd_notify: the node shows the silo as running from now on."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", path)


if __name__ == "__main__":
    Recorder().run()

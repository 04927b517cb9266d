#!/usr/bin/env python3
"""A ThingVisor in Python, written against the contract of a workload (docs/workload-contract.md).

It virtualises one thermometer, `<thingVisorID>/thermometer`, that counts up in steps, and takes one
command, `set-step`. It needs nothing of Morgana but the environment variables and MQTT:

    pip install paho-mqtt
    morgana add-thingvisor -n python-tv -i exec:$PWD/examples/python-thingvisor/thermometer.py -p '{"rate": 2}' --wait

`params` may have `rate`, the seconds between two readings (5).
"""

import json
import os
import socket
import sys
import threading

import paho.mqtt.client as mqtt

ID = os.environ["thingVisorID"]
V_THING = f"{ID}/thermometer"
ENTITY = f"urn:ngsi-ld:{ID}:thermometer"
COMMAND = "set-step"
# Where the system tells a program that its parameters are wrong (sysexits.h, EX_CONFIG).
EXIT_CONFIGURATION = 78


def read_params(text):
    """Parameters come as a text in the environment, and as an object in updateTV."""
    params = json.loads(text) if isinstance(text, str) and text else text or {}
    rate = params.get("rate", 5)
    if not isinstance(rate, (int, float)) or not 0.05 <= rate <= 3600:
        raise ValueError(f"rate is {rate!r}: it must be 0.05 to 3600 seconds")
    return rate


class Thermometer:
    def __init__(self, rate):
        self.rate = rate
        self.reading = 20
        self.step = 1
        self.ended = threading.Event()
        self.last_word = None
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"tv:{ID}")
        # The credential is this ThingVisor's own; in legacy mode there is none.
        if "MORGANA_FABRIC_USER" in os.environ:
            self.client.username_pw_set(
                os.environ["MORGANA_FABRIC_USER"], os.environ["MORGANA_FABRIC_PASSWORD"]
            )
        self.client.on_connect = self.connected
        self.client.on_subscribe = self.listens
        self.client.on_message = self.heard

    def run(self):
        self.client.connect(os.environ["MQTTDataBrokerIP"], int(os.environ["MQTTDataBrokerPort"]))
        self.client.loop_start()
        while not self.ended.wait(self.rate):
            self.reading += self.step
            self.publish_data({"temperature": self.reading})
        # Not where it was said: the thread that hears is the one that sends.
        self.last_word.wait_for_publish(5)
        self.client.disconnect()
        self.client.loop_stop()

    def connected(self, client, _userdata, _flags, reason, _properties):
        """Whoever connects again has to subscribe again and to announce its vThings again."""
        if reason.is_failure:
            print(f"the fabric refuses the connection: {reason}", file=sys.stderr)
            return
        client.subscribe([(f"TV/{ID}/c_in", 1), (f"vThing/{V_THING}/c_in", 1), (f"vThing/{V_THING}/data_in", 1)])
        v_thing = {
            "label": "thermometer",
            "id": V_THING,
            "description": "a thermometer that counts",
            "type": "actuator",
        }
        self.control(f"TV/{ID}/c_out", {"command": "createVThing", "thingVisorID": ID, "vThing": v_thing})
        self.publish_data({"temperature": self.reading, "step": self.step, "commands": [COMMAND]})

    def listens(self, _client, _userdata, _mid, reasons, _properties):
        """Nothing that is said to it from now on is missed."""
        refused = [reason for reason in reasons if reason.is_failure]
        if refused:
            print(f"the fabric refuses a subscription: {refused}", file=sys.stderr)
            return
        tell_ready()

    def heard(self, _client, _userdata, message):
        # One message that cannot be read must not end the thread that reads them.
        try:
            payload = json.loads(message.payload)
            if message.topic.endswith("/data_in"):
                self.commanded(payload)
            else:
                self.controlled(payload)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"a message on {message.topic} cannot be understood: {error!r}", file=sys.stderr)

    def controlled(self, message):
        command = message["command"]
        if command == "getContextRequest":
            answer = {
                "command": "getContextResponse",
                "data": [self.entity({"temperature": self.reading, "step": self.step, "commands": [COMMAND]})],
                "meta": {"vThingID": V_THING},
            }
            self.control(f"vSilo/{message['vSiloID']}/c_in", answer)
        elif command == "updateTV" and message.get("params"):
            self.rate = read_params(message["params"])
        elif command == "destroyTV":
            gone = {"command": "deleteVThing", "vThingID": V_THING, "vSiloID": "ALL"}
            self.control(f"vThing/{V_THING}/c_out", gone)
            self.last_word = self.control(f"TV/{ID}/c_out", {"command": "destroyTVAck", "thingVisorID": ID})
            self.ended.set()

    def commanded(self, message):
        silo = message["meta"]["vSiloID"]
        for entity in message["data"]:
            info = entity[COMMAND]["value"]
            try:
                self.step = int(info["cmd-value"])
                result = "OK"
            except (TypeError, ValueError):
                result = "FAIL"
            self.publish_data({"step": self.step})
            # Feedback goes to the silo that asked, whatever address the command names.
            if int(info.get("cmd-qos", 0)) > 0:
                feedback = self.entity({f"{COMMAND}-result": {**info, "cmd-result": result}})
                meta = {"vThingID": V_THING, "vSiloID": silo}
                self.control(f"vSilo/{silo}/data_in", {"data": [feedback], "meta": meta})

    def publish_data(self, properties):
        message = {"data": [self.entity(properties)], "meta": {"vThingID": V_THING}}
        self.client.publish(f"vThing/{V_THING}/data_out", json.dumps(message))

    def entity(self, properties):
        entity = {"id": ENTITY, "type": "Thermometer"}
        for name, value in properties.items():
            entity[name] = {"type": "Property", "value": value}
        return entity

    def control(self, topic, message):
        return self.client.publish(topic, json.dumps(message), qos=1)


def tell_ready():
    """sd_notify: the node shows the ThingVisor as running from now on."""
    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", path)


def main():
    try:
        rate = read_params(os.environ.get("params", ""))
    except (ValueError, AttributeError) as error:
        print(f"the parameters are wrong: {error}", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
    Thermometer(rate).run()


if __name__ == "__main__":
    main()

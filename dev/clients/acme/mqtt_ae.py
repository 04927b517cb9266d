"""An AE over MQTT, of the parts of ACME: its MQTT connection and its serialisation.
usage: mqtt_ae.py HOST PORT CSE_ID CSE_NAME FORM (json or cbor)"""
import os, queue, sys, traceback

from acmecse.etc.RequestUtils import deserializeData, serializeData
from acmecse.etc.Types import ContentSerializationType
from acmecse.helpers.MQTTConnection import MQTTConnection, MQTTHandler

host, port, cse, name, form = sys.argv[1:6]
cse = cse.strip("/")
kind = {"json": ContentSerializationType.JSON, "cbor": ContentSerializationType.CBOR}[form]
entity = f"Cmqtt{form}"
answers, notifications, ready = queue.Queue(), queue.Queue(), queue.Queue()


def read(data):
    message = deserializeData(data, kind)
    return message.get("m2m:rsp", message.get("m2m:rqp", message))


class Handler(MQTTHandler):
    def onConnect(self, connection):
        for topic in ("resp", "reg_resp"):
            connection.subscribeTopic(f"/oneM2M/{topic}/{entity}/{cse}/{form}", answered)
        connection.subscribeTopic(f"/oneM2M/req/{cse}/{entity}/+", notified)
        return True

    def onSubscribed(self, connection, topic):
        ready.put(topic)
        return True

    def onDisconnect(self, connection):
        return True

    def onError(self, connection, rc):
        return True

    def logging(self, connection, level, message):
        return True

    def onShutdown(self, connection):
        pass


def answered(connection, topic, data):
    answers.put(read(data))


def notified(connection, topic, data):
    # The CSE writes its notifications over MQTT in JSON.
    message = deserializeData(data, ContentSerializationType.JSON)
    message = message.get("m2m:rqp", message)
    notifications.put(message)
    answer = {"rsc": 2000, "rqi": message["rqi"], "to": message["fr"], "fr": entity, "rvi": message["rvi"]}
    connection.publish(f"/oneM2M/resp/{cse}/{entity}/json", serializeData(answer, ContentSerializationType.JSON))


connection = MQTTConnection(address=host, port=int(port), clientID=entity, lowLevelLogging=False, messageHandler=Handler())
connection.run()
for _ in range(3):
    ready.get(timeout=60)
number = 0


def ask(op, to, ty=None, pc=None, topic="req", **more):
    global number
    number += 1
    request = {"op": op, "fr": entity, "to": to, "rqi": str(number), "rvi": "4", **more}
    request |= {"ty": ty} if ty else {}
    request |= {"pc": pc} if pc else {}
    data = serializeData(request, kind)
    connection.publish(f"/oneM2M/{topic}/{entity}/{cse}/{form}", data)
    answer = answers.get(timeout=60)
    assert answer["rqi"] == str(number), answer
    return answer


def expect(code, *arguments, **more):
    answer = ask(*arguments, **more)
    assert answer["rsc"] == code, f"{arguments}: {answer}"
    return answer.get("pc")


try:
    ae = {"m2m:ae": {"rn": entity, "api": "N.test", "rr": True, "srv": ["3", "4"], "poa": [f"mqtt://{host}:{port}"]}}
    registered = expect(2001, 1, name, 2, ae, topic="reg_req")
    assert registered["m2m:ae"]["aei"] == entity, registered
    expect(2001, 1, f"{name}/{entity}", 3, {"m2m:cnt": {"rn": "c", "mni": 2}})
    subscription = {"m2m:sub": {"rn": "s", "nu": [f"mqtt://{host}:{port}/{entity}"], "nct": 1, "enc": {"net": [3]}}}
    # It answers the verification request itself, while it waits for this response.
    expect(2001, 1, f"{name}/{entity}/c", 23, subscription)
    assert notifications.get(timeout=60)["pc"]["m2m:sgn"]["vrq"] is True
    for value in ["1", "2", "3"]:
        expect(2001, 1, f"{name}/{entity}/c", 4, {"m2m:cin": {"con": value}})
        heard = notifications.get(timeout=60)["pc"]["m2m:sgn"]["nev"]["rep"]
        assert heard["m2m:cin"]["con"] == value, heard
    assert expect(2000, 2, f"{name}/{entity}/c/la")["m2m:cin"]["con"] == "3"
    assert expect(2000, 2, f"{name}/{entity}/c")["m2m:cnt"]["cni"] == 2
    assert expect(4004, 2, f"{name}/{entity}/none")["m2m:dbg"]
    expect(2002, 4, f"{name}/{entity}")
    print("done", flush=True)
except BaseException:
    traceback.print_exc()
    os._exit(1)
# Not by shutdown(): ACME's waits now and then for ever for a thread of its own.
os._exit(0)

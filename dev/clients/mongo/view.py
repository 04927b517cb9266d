"""Reads the legacy view as VirIoT's Python components read their System DB, and prints what it found."""

import json
import sys

import pymongo
from pymongo.errors import OperationFailure


def main():
    port, thing_visor, silo, v_thing = sys.argv[1:5]
    client = pymongo.MongoClient(f"mongodb://127.0.0.1:{port}", serverSelectionTimeoutMS=60000)
    db = client["viriotDB"]
    visors, silos, v_things = db["thingVisorC"], db["vSiloC"], db["vThingC"]
    found = {
        "thingVisor": visors.find_one({"thingVisorID": thing_visor}),
        "byVThing": visors.find_one({"vThings.id": v_thing}, {"thingVisorID": 1, "_id": 0}),
        "port": visors.find_one({"thingVisorID": thing_visor}, {"port": 1, "_id": 0}),
        "ip": visors.find_one({"thingVisorID": thing_visor}, {"IP": 1, "_id": 0}),
        "vSilo": silos.find_one({"vSiloID": silo}),
        "vThings": list(v_things.find({"vSiloID": silo}, {"vThingID": 1, "_id": 0})),
        "allVThings": list(visors.find({}, {"_id": 0, "vThings": 1})),
        "nothing": silos.find_one({"vSiloID": "no_such"}),
        "users": list(db["userC"].find({})),
    }
    try:
        silos.insert_one({"vSiloID": "x"})
        found["written"] = True
    except OperationFailure as error:
        found["written"] = error.code
    try:
        visors.find_one({"thingVisorID": {"$ne": "x"}})
        found["operator"] = "found"
    except OperationFailure as error:
        found["operator"] = error.code
    client.close()
    print(json.dumps(found))


main()

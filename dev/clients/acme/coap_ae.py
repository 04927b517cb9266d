"""An AE over CoAP, with PyPI aiocoap: requests, large contents in blocks, and notifications to its own CoAP server.
usage: coap_ae.py HOST PORT CSE_NAME"""
import asyncio, json, sys

import cbor2
from aiocoap import CHANGED, CONTENT, CREATED, DELETED, GET, NON, NOT_FOUND, POST, PUT, DELETE, CON
from aiocoap import Context, Message, resource
from aiocoap.optiontypes import OpaqueOption
from aiocoap.numbers import OptionNumber

host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# The two rows of option numbers of TS-0008.
ROWS = {
    "first": {"fr": 256, "rqi": 257, "rsc": 265, "ty": 267, "rvi": 271},
    "second": {"fr": 279, "rqi": 283, "rsc": 307, "ty": 267, "rvi": 271},
}


def number(option):
    return int.from_bytes(option.value, "big")


def options(message):
    return {int(option.number): option for option in message.opt.option_list()}


class Ae:
    def __init__(self, context, entity, row, cbor=False, mtype=CON):
        self.context, self.entity, self.row, self.cbor, self.mtype = context, entity, ROWS[row], cbor, mtype
        self.count = 0

    async def ask(self, code, path, ty=None, content=None, query=()):
        self.count += 1
        message = Message(code=code, mtype=self.mtype, uri=f"coap://{host}:{port}/{path}")
        message.opt.uri_query = tuple(query)
        own = {"fr": self.entity.encode(), "rqi": str(self.count).encode(), "rvi": b"4"}
        if ty:
            own["ty"] = bytes([ty])
        for key, value in own.items():
            message.opt.add_option(OpaqueOption(OptionNumber(self.row[key]), value))
        message.opt.content_format = 60 if self.cbor else 50
        if content:
            message.payload = cbor2.dumps(content) if self.cbor else json.dumps(content).encode()
        answer = await asyncio.wait_for(self.context.request(message).response, 120)
        told = options(answer)
        assert told[self.row["rqi"]].value == str(self.count).encode(), answer
        content = None
        if answer.payload:
            content = cbor2.loads(answer.payload) if self.cbor else json.loads(answer.payload)
        return answer.code, number(told[self.row["rsc"]]), content

    async def expect(self, code, rsc, *arguments, **more):
        answer = await self.ask(*arguments, **more)
        assert answer[:2] == (code, rsc), f"{arguments}: {answer}"
        return answer[2]


class Notified(resource.Resource):
    def __init__(self):
        super().__init__()
        self.heard = asyncio.Queue()

    async def render_post(self, request):
        await self.heard.put((request, json.loads(request.payload)))
        answer = Message(code=CHANGED)
        answer.opt.add_option(OpaqueOption(OptionNumber(307), (2000).to_bytes(2, "big")))
        return answer

    async def next(self):
        return await asyncio.wait_for(self.heard.get(), 120)


async def resources(context, entity, row, cbor, mtype):
    ae = Ae(context, entity, row, cbor, mtype)
    registered = await ae.expect(CREATED, 2001, POST, name, 2, {"m2m:ae": {"rn": entity, "api": "N.test", "rr": False, "srv": ["4"]}})
    assert registered["m2m:ae"]["aei"] == entity, registered
    await ae.expect(CREATED, 2001, POST, f"{name}/{entity}", 3, {"m2m:cnt": {"rn": "c"}})
    await ae.expect(CREATED, 2001, POST, f"{name}/{entity}/c", 4, {"m2m:cin": {"con": "7"}})
    latest = await ae.expect(CONTENT, 2000, GET, f"{name}/{entity}/c/la")
    assert latest["m2m:cin"]["con"] == "7", latest
    found = await ae.expect(CONTENT, 2000, GET, f"{name}/{entity}", query=("fu=1", "ty=3"))
    assert found["m2m:uril"] == [f"{name}/{entity}/c"], found
    await ae.expect(CHANGED, 2004, PUT, f"{name}/{entity}/c", None, {"m2m:cnt": {"lbl": ["a"]}})
    missing = await ae.expect(NOT_FOUND, 4004, GET, f"{name}/{entity}/none")
    assert missing["m2m:dbg"], missing
    # Larger than a datagram, both ways.
    large = "x" * 20_000
    await ae.expect(CREATED, 2001, POST, f"{name}/{entity}/c", 4, {"m2m:cin": {"con": large}})
    latest = await ae.expect(CONTENT, 2000, GET, f"{name}/{entity}/c/la")
    assert latest["m2m:cin"]["con"] == large
    await ae.expect(DELETED, 2002, DELETE, f"{name}/{entity}")


async def notifications(context, notified, own_port):
    ae = Ae(context, "Cnotified", "second")
    where = f"{name}/Cnotified"
    await ae.expect(CREATED, 2001, POST, name, 2, {"m2m:ae": {"rn": "Cnotified", "api": "N.test", "rr": False, "srv": ["4"]}})
    await ae.expect(CREATED, 2001, POST, where, 3, {"m2m:cnt": {"rn": "c"}})
    target = f"coap://127.0.0.1:{own_port}/notify"
    await ae.expect(CREATED, 2001, POST, f"{where}/c", 23, {"m2m:sub": {"rn": "s", "nu": [target], "enc": {"net": [3]}}})
    assert (await notified.next())[1]["m2m:sgn"]["vrq"] is True
    for value in ["1", "2", "y" * 5_000]:
        await ae.expect(CREATED, 2001, POST, f"{where}/c", 4, {"m2m:cin": {"con": value}})
        request, content = await notified.next()
        assert content["m2m:sgn"]["nev"]["rep"]["m2m:cin"]["con"] == value, content
        assert request.mtype == CON and options(request)[279].value.startswith(b"/"), request
    await ae.expect(DELETED, 2002, DELETE, where)


async def main():
    notified = Notified()
    site = resource.Site()
    site.add_resource(["notify"], notified)
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        own_port = free.getsockname()[1]
    server = await Context.create_server_context(site, bind=("127.0.0.1", own_port))
    context = await Context.create_client_context()
    await resources(context, "Cfirst", "first", False, CON)
    await resources(context, "Csecond", "second", True, CON)
    await resources(context, "Cnon", "second", False, NON)
    await notifications(context, notified, own_port)
    await context.shutdown()
    await server.shutdown()
    print("done")


asyncio.run(main())

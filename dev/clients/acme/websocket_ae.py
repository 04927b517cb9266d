"""AEs over WebSocket, with PyPI websockets: one that hears notifications over its own connection, and one that is a
server itself. usage: websocket_ae.py ws://HOST:PORT CSE_NAME FORM (json or cbor)"""
import asyncio, json, sys

import cbor2
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidStatus

url, name, form = sys.argv[1:4]
protocol = f"oneM2M.{form}"


def write(message):
    return json.dumps(message) if form == "json" else cbor2.dumps(message)


def read(data):
    assert isinstance(data, str) == (form == "json"), "the opcode is not that of the form"
    return json.loads(data) if form == "json" else cbor2.loads(data)


class Ae:
    """A connection on which requests and responses go both ways."""

    def __init__(self, socket, entity):
        self.socket, self.entity, self.number = socket, entity, 0
        self.answers, self.notifications = {}, asyncio.Queue()
        self.task = asyncio.create_task(self.listen())

    async def listen(self):
        async for data in self.socket:
            message = read(data)
            if "rsc" in message:
                self.answers.pop(message["rqi"]).set_result(message)
            else:
                await self.notifications.put(message)
                await self.socket.send(write({"rsc": 2000, "rqi": message["rqi"]}))

    async def expect(self, code, op, to, ty=None, pc=None):
        self.number += 1
        request = {"op": op, "to": to, "rqi": str(self.number), "rvi": "4", "fr": self.entity}
        request |= {"ty": ty} if ty else {}
        request |= {"pc": pc} if pc else {}
        answer = self.answers[request["rqi"]] = asyncio.get_running_loop().create_future()
        await self.socket.send(write(request))
        answer = await asyncio.wait_for(answer, 60)
        assert answer["rsc"] == code, f"{request}: {answer}"
        return answer.get("pc")

    async def heard(self):
        return (await asyncio.wait_for(self.notifications.get(), 60))["pc"]["m2m:sgn"]


async def over_its_own_connection(entity, headers):
    async with connect(url, subprotocols=[protocol], additional_headers=headers) as socket:
        assert socket.subprotocol == protocol
        ae = Ae(socket, entity)
        made = await ae.expect(2001, 1, name, 2, {"m2m:ae": {"rn": entity, "api": "N.test", "rr": True, "srv": ["3", "4"]}})
        assert made["m2m:ae"]["aei"] == entity, made
        await ae.expect(2001, 1, f"{name}/{entity}", 3, {"m2m:cnt": {"rn": "c"}})
        await ae.expect(2001, 1, f"{name}/{entity}/c", 23, {"m2m:sub": {"rn": "s", "nu": [entity], "enc": {"net": [3]}}})
        for value in ["1", "2", "3"]:
            await ae.expect(2001, 1, f"{name}/{entity}/c", 4, {"m2m:cin": {"con": value}})
            heard = (await ae.heard())["nev"]["rep"]["m2m:cin"]["con"]
            assert heard == value, heard
        assert (await ae.expect(4004, 2, f"{name}/{entity}/none"))["m2m:dbg"]
        await asyncio.wait_for(await socket.ping(), 60)
    # Connected again, it is reached again.
    async with connect(url, subprotocols=[protocol], additional_headers={"X-M2M-Origin": entity}) as socket:
        ae = Ae(socket, entity)
        await ae.expect(2001, 1, f"{name}/{entity}/c", 4, {"m2m:cin": {"con": "4"}})
        assert (await ae.heard())["nev"]["rep"]["m2m:cin"]["con"] == "4"
        await ae.expect(2002, 4, f"{name}/{entity}")


async def as_a_server():
    heard = asyncio.Queue()

    async def target(socket):
        assert socket.subprotocol == "oneM2M.json"
        async for data in socket:
            message = json.loads(data)
            await heard.put(message["pc"]["m2m:sgn"])
            await socket.send(json.dumps({"m2m:rsp": {"rsc": 2000, "rqi": message["rqi"]}}))

    async with serve(target, "127.0.0.1", 0, subprotocols=["oneM2M.json"]) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(url, subprotocols=[protocol]) as socket:
            ae = Ae(socket, f"Cserver{form}")
            where = f"{name}/{ae.entity}"
            await ae.expect(2001, 1, name, 2, {"m2m:ae": {"rn": ae.entity, "api": "N.test", "rr": False, "srv": ["4"]}})
            await ae.expect(2001, 1, where, 3, {"m2m:cnt": {"rn": "c"}})
            await ae.expect(2001, 1, f"{where}/c", 23, {"m2m:sub": {"rn": "s", "nu": [f"ws://127.0.0.1:{port}"], "enc": {"net": [3]}}})
            assert (await asyncio.wait_for(heard.get(), 60))["vrq"] is True
            for value in ["1", "2", "3"]:
                await ae.expect(2001, 1, f"{where}/c", 4, {"m2m:cin": {"con": value}})
            for value in ["1", "2", "3"]:
                got = (await asyncio.wait_for(heard.get(), 60))["nev"]["rep"]["m2m:cin"]["con"]
                assert got == value, got
            await ae.expect(2002, 4, where)


async def main():
    try:
        await connect(url, subprotocols=["oneM2M.xml"])
        raise AssertionError("a subprotocol that the CSE does not speak was taken")
    except InvalidStatus as refused:
        assert refused.response.status_code == 400, refused
    await over_its_own_connection(f"Cnamed{form}", {"X-M2M-Origin": f"Cnamed{form}"})
    await over_its_own_connection(f"Cfree{form}", {})
    await as_a_server()
    print("done")


asyncio.run(main())

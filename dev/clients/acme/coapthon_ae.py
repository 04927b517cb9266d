"""An AE over CoAP, with the client of ACME (CoAPthon3): contents and answers of several blocks.
usage: coapthon_ae.py HOST PORT CSE_NAME"""
import json, sys

from acmecse.helpers import CoAPthonTools
from coapthon import defines
from coapthon.client.helperclient import HelperClient
from coapthon.messages.option import Option
from coapthon.messages.request import Request

host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
CoAPthonTools.registerOneM2MOptions()
CoAPthonTools.registerOneM2MContentTypes()
client = HelperClient(server=(host, port))
count = 0


def ask(code, path, ty=None, content=None, query=None):
    global count
    count += 1
    request = Request()
    request.destination = (host, port)
    request.code = code.number
    request.uri_path = path
    request.content_type = 50
    for number, value in ((279, "CAdmin"), (283, str(count)), (271, "4"), (267, ty)):
        if value is not None:
            option = Option()
            option.number, option.value = number, value
            request.add_option(option)
    if query:
        request.uri_query = query
    if content is not None:
        request.payload = json.dumps(content)
    response = client.send_request(request, timeout=120)
    assert response is not None, f"{path}: no answer"
    rsc = [option.value for option in response.options if option.number == 307]
    payload = response.payload
    payload = payload.decode() if isinstance(payload, bytes) else payload
    return rsc[0], json.loads(payload) if payload else None


def expect(rsc, *arguments, **more):
    answer = ask(*arguments, **more)
    assert answer[0] == rsc, f"{arguments}: {answer}"
    return answer[1]


GET, POST, DELETE = defines.Codes.GET, defines.Codes.POST, defines.Codes.DELETE
expect(2001, POST, name, 3, {"m2m:cnt": {"rn": "coapthon"}})
where = f"{name}/coapthon"
names = [f"{where}/container-with-a-long-name-{number:03}" for number in range(100)]
for made in names:
    expect(2001, POST, where, 3, {"m2m:cnt": {"rn": made.split("/")[-1]}})
# An answer of several blocks, and the same again: the last block of one is not the first of the next.
for _ in range(2):
    found = expect(2000, GET, where, query="fu=1&ty=3")
    assert found["m2m:uril"] == names, found
# A content of several blocks. Its answer must not have several as well (rcn=0): of such, this client reads one.
large = "x" * 5_000
expect(2001, POST, where, 4, {"m2m:cin": {"con": large}}, query="rcn=0")
assert expect(2000, GET, f"{where}/la")["m2m:cin"]["con"] == large
expect(2002, DELETE, where)
client.close()
print("done")

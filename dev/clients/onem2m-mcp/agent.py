"""An AE over HTTP: the gateway of onem2m-mcp, which registers itself, makes containers, subscribes and is notified.
usage: agent.py CSE_URL CSE_NAME ADMINISTRATOR"""
import asyncio, json, os, socket, sys, threading, time

url, name, administrator = sys.argv[1:4]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ |= {
    "ACME_MCP_CSE_URL": url, "ACME_MCP_CSE_RN": name, "ACME_MCP_CSE_ADMIN": administrator,
    "ACME_MCP_PORT": str(port),
}
from onem2m_mcp import core, gateway  # noqa: E402  it reads the environment when it is loaded

agent = core.Onem2mMcpServer(gateway.HttpTransport())
server = agent.build()
agent.ensureAgentIdentity(core.MCP_ORIGINATOR)


async def call(tool, **arguments):
    result = await server.call_tool(tool, arguments)
    assert not result.is_error, f"{tool}: {result}"
    return json.loads(result.content[0].text)


async def expect(code, tool, **arguments):
    answer = await call(tool, **arguments)
    assert answer.get("rsc") == code, f"{tool}: {answer}"
    return answer.get("result")


async def main():
    threading.Thread(target=core.runServer, args=(server,), daemon=True).start()
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    info = await expect(2000, "cse_info")
    assert info["m2m:cb"]["rn"] == name, info
    workspace = (await call("agent_identity"))["workspace"]
    await expect(2001, "create_container", parent_id=workspace, name="temperature", max_instances=3)
    container = f"{workspace}/temperature"
    watched = await call("watch_resource", resource_id=container)
    assert watched["rsc"] == 2001, watched
    for value in ["20", "21", "22", "23"]:
        await expect(2001, "add_content", container_id=container, content=value)
    latest = await expect(2000, "get_latest_content", container_id=container)
    assert latest["m2m:cin"]["con"] == "23", latest
    kept = await expect(2000, "retrieve_resource", resource_id=container)
    assert kept["m2m:cnt"]["cni"] == 3, kept
    found = await expect(2000, "discover_resources", resource_type="container", root=workspace)
    assert found["m2m:uril"] == [container], found
    heard = []
    for _ in range(600):
        heard += (await call("get_notifications"))["notifications"]
        if len(heard) >= 4:
            break
        await asyncio.sleep(0.05)
    values = [entry["content"]["m2m:cin"]["con"] for entry in heard]
    assert values == ["20", "21", "22", "23"], heard
    await expect(2002, "stop_watching", subscription_id=watched["subscription_id"])
    await expect(2002, "delete_resource", resource_id=container)
    refused = await call("retrieve_resource", resource_id=container)
    assert refused["rsc"] == 4004 and "debug" in refused, refused
    print("done")


asyncio.run(main())

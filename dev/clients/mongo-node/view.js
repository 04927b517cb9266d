// Reads the legacy view as VirIoT's Node components read their System DB, and prints what it found.
const { MongoClient } = require("mongodb");

async function main() {
  const [port, thingVisor, silo, vThing] = process.argv.slice(2);
  const client = new MongoClient(`mongodb://127.0.0.1:${port}`, { serverSelectionTimeoutMS: 60000 });
  await client.connect();
  const db = client.db("viriotDB");
  const found = {
    thingVisor: await db.collection("thingVisorC").findOne({ thingVisorID: thingVisor }),
    byVThing: await db
      .collection("thingVisorC")
      .findOne({ "vThings.id": vThing }, { projection: { thingVisorID: 1, _id: 0 } }),
    vSilo: await db.collection("vSiloC").findOne({ vSiloID: silo }),
    vThings: await db
      .collection("vThingC")
      .find({ vSiloID: silo }, { projection: { vThingID: 1, _id: 0 } })
      .toArray(),
    nothing: await db.collection("vSiloC").findOne({ vSiloID: "no_such" }),
  };
  await client.close();
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

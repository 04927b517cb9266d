//! Commands and their answers (MongoDB's "Database Commands": `hello`, `find`, `endSessions` and the few
//! that drivers send by themselves).

use serde_json::{Map, Value, json};

use crate::Source;
use crate::find::find;

/// The database that is shown.
pub const DATABASE: &str = "viriotDB";
/// Its collections that are shown.
pub const COLLECTIONS: [&str; 3] = ["thingVisorC", "vSiloC", "vThingC"];

/// The newest wire version: that of MongoDB 6.0, old enough for the drivers of VirIoT's time and new
/// enough for today's.
const MAX_WIRE_VERSION: i32 = 17;

/// Error codes of MongoDB.
const BAD_VALUE: i32 = 2;
const HOST_UNREACHABLE: i32 = 6;
const UNAUTHORIZED: i32 = 13;
const COMMAND_NOT_FOUND: i32 = 59;

/// The answer to a command.
pub(crate) async fn carry_out(command: &Map<String, Value>, source: &dyn Source) -> Value {
    let Some((name, argument)) = command.iter().next() else {
        return refusal(COMMAND_NOT_FOUND, "CommandNotFound", "the command is empty");
    };
    match name.as_str() {
        "hello" | "isMaster" | "ismaster" => hello(),
        "ping" | "endSessions" | "killCursors" => json!({ "ok": 1.0 }),
        "buildInfo" | "buildinfo" => {
            json!({ "version": "6.0.0", "versionArray": [6, 0, 0, 0], "maxBsonObjectSize": 16_777_216, "ok": 1.0 })
        }
        "find" => find_in(argument, command, source).await,
        "insert" | "update" | "delete" | "findAndModify" | "findandmodify" | "drop" | "create" => {
            refusal(UNAUTHORIZED, "Unauthorized", "this is a view: nothing can be written")
        }
        _ => {
            let known = "there are hello, find and endSessions";
            refusal(
                COMMAND_NOT_FOUND,
                "CommandNotFound",
                &format!("this view has no command '{name}': {known}"),
            )
        }
    }
}

fn hello() -> Value {
    json!({
        "helloOk": true,
        "ismaster": true,
        "isWritablePrimary": true,
        "readOnly": true,
        "maxBsonObjectSize": 16_777_216,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "logicalSessionTimeoutMinutes": 30,
        "minWireVersion": 0,
        "maxWireVersion": MAX_WIRE_VERSION,
        "ok": 1.0,
    })
}

async fn find_in(collection: &Value, command: &Map<String, Value>, source: &dyn Source) -> Value {
    let Some(collection) = collection.as_str() else {
        return refusal(BAD_VALUE, "BadValue", "the collection of a find is a text");
    };
    let database = command.get("$db").and_then(Value::as_str).unwrap_or_default();
    // Of what there is not, a find finds nothing.
    let is_shown = database == DATABASE && COLLECTIONS.contains(&collection);
    let documents = match is_shown {
        true => source.documents(collection).await.map(Option::unwrap_or_default),
        false => Ok(Vec::new()),
    };
    let found = match documents {
        Ok(documents) => find(documents, command),
        Err(error) => return refusal(HOST_UNREACHABLE, "HostUnreachable", &error),
    };
    match found {
        Ok(found) => {
            let cursor =
                json!({ "firstBatch": found, "id": 0_i64, "ns": format!("{database}.{collection}") });
            json!({ "cursor": cursor, "ok": 1.0 })
        }
        Err(error) => refusal(BAD_VALUE, "BadValue", &error.to_string()),
    }
}

fn refusal(code: i32, name: &str, text: &str) -> Value {
    json!({ "ok": 0.0, "errmsg": text, "code": code, "codeName": name })
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct Fixed;

    #[async_trait]
    impl Source for Fixed {
        async fn documents(&self, collection: &str) -> Result<Option<Vec<Value>>, String> {
            match collection {
                "vSiloC" => Ok(Some(vec![json!({ "vSiloID": "t_s" })])),
                "vThingC" => Err("the system database is closed".to_owned()),
                other => panic!("{other} is not to be asked for"),
            }
        }
    }

    async fn ask(command: Value) -> Value {
        carry_out(command.as_object().unwrap(), &Fixed).await
    }

    #[tokio::test]
    async fn only_the_collections_of_viriot_are_shown() {
        let found = ask(json!({ "find": "vSiloC", "$db": "viriotDB" })).await;
        assert_eq!(found["cursor"]["firstBatch"], json!([{ "vSiloID": "t_s" }]));
        for (collection, database) in [("userC", "viriotDB"), ("vSiloC", "admin"), ("vSiloC", "")] {
            let found = ask(json!({ "find": collection, "$db": database })).await;
            assert_eq!(
                (&found["cursor"]["firstBatch"], &found["ok"]),
                (&json!([]), &json!(1.0)),
                "{collection}"
            );
        }
    }

    #[tokio::test]
    async fn nothing_can_be_written_and_what_is_not_there_says_so() {
        for (command, code) in [
            (json!({ "insert": "vSiloC", "$db": "viriotDB" }), 13),
            (json!({ "delete": "vSiloC", "$db": "viriotDB" }), 13),
            (json!({ "aggregate": "vSiloC", "$db": "viriotDB" }), 59),
            (json!({}), 59),
            (json!({ "find": 7, "$db": "viriotDB" }), 2),
            (json!({ "find": "vSiloC", "filter": { "x": { "$ne": 1 } }, "$db": "viriotDB" }), 2),
            (json!({ "find": "vThingC", "$db": "viriotDB" }), 6),
        ] {
            let answer = ask(command.clone()).await;
            assert_eq!((&answer["ok"], &answer["code"]), (&json!(0.0), &json!(code)), "{command}");
        }
    }
}

//! What nobody should send to `morgana broker ngsi-ld`: each error type of NGSI-LD 5.5.2 in its place, with a detail that
//! names what offended, and a broker that goes on.

use morgana_testbed::{Answer, Broker, Http};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MORGANA: &str = env!("CARGO_BIN_EXE_morgana");
const ROOT: &str = "/ngsi-ld/v1";

struct Door {
    broker: Broker,
    http: Http,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open(switches: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the broker");
        let broker = Broker::start(MORGANA, "ngsi-ld", &folder.path().join("data"), switches).await;
        let http = Http::new(format!("http://{}{ROOT}", broker.address("http")), None);
        Self { broker, http, _folder: folder }
    }

    /// It still does what it is for.
    async fn goes_on(&self) {
        let entity = json!({ "id": "urn:ngsi-ld:After:1", "type": "After", "n": 1 });
        self.http.post("/entities", &entity).await.expect(201);
        self.http.delete("/entities/urn:ngsi-ld:After:1").await.expect(204);
    }

    /// The most memory that it ever held, in MiB.
    fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.broker.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the system says it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }
}

/// The answer is a problem of this kind whose detail has all these words.
fn is_problem(answer: &Answer, status: u16, kind: &str, words: &[&str]) {
    let (body, detail) = (&answer.body, answer.body["detail"].as_str().unwrap_or_default());
    assert_eq!(answer.status.as_u16(), status, "{body}");
    assert_eq!(answer.content_type, "application/problem+json", "{body}");
    assert_eq!(body["type"], format!("https://uri.etsi.org/ngsi-ld/errors/{kind}"), "{body}");
    for word in words {
        assert!(detail.contains(word), "{word} is not in: {detail}");
    }
}

async fn sent(http: &Http, method: Method, path: &str, form: &str, body: String) -> Answer {
    let request = http.request(method, path).header("content-type", form).body(body);
    Answer::of(request.send().await.expect("it answers")).await
}

#[tokio::test]
async fn an_entity_that_is_none_is_refused_by_the_name_of_the_member() {
    let door = Door::open(&[]).await;
    let post = async |body: &str| {
        sent(&door.http, Method::POST, "/entities", "application/json", body.to_owned()).await
    };
    for (body, words) in
        [("{", "line 1"), ("", "JSON"), (r#"{"id":"urn:x:1","id":"urn:x:2"}"#, "twice"), ("{}", "empty")]
    {
        is_problem(&post(body).await, 400, "InvalidRequest", &[words]);
    }
    let deep = format!("{}1{}", r#"{"value":"#.repeat(100), "}".repeat(100));
    let deep = format!(r#"{{"id":"urn:x:1","type":"T","deep":{deep}}}"#);
    assert!(matches!(post(&deep).await.status.as_u16(), 201 | 400), "a value 100 deep is taken or refused");
    let nested = format!("{}1{}", r#"{"value":1,"inner":"#.repeat(100), "}".repeat(100));
    is_problem(
        &post(&format!(r#"{{"id":"urn:x:2","type":"T","a":{nested}}}"#)).await,
        400,
        "BadRequestData",
        &["inner"],
    );
    let endless = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    is_problem(&post(&endless).await, 400, "InvalidRequest", &["recursion"]);
    for (rest, words) in [
        (r#""id":"no uri","type":"T""#, ["id", "no uri"]),
        (r#""type":"T""#, ["id", ""]),
        (r#""id":"urn:x:1""#, ["type", "urn:x:1"]),
        (r#""id":"urn:x:1","type":7"#, ["type", "number"]),
        (r#""id":"urn:x:1","type":"T","level":{"type":"Property"}"#, ["level", "value"]),
        (r#""id":"urn:x:1","type":"T","level":{"type":"Propertie","value":1}"#, ["level", "Propertie"]),
        (r#""id":"urn:x:1","type":"T","level":null"#, ["level", "null"]),
        (r#""id":"urn:x:1","type":"T","level":{"value":1,"observedAt":"today"}"#, ["level", "observedAt"]),
        (r#""id":"urn:x:1","type":"T","level":{"value":1,"unitCode":7}"#, ["level", "unitCode"]),
        (r#""id":"urn:x:1","type":"T","level":{"value":1,"object":"urn:x:2"}"#, ["level", "object"]),
        (r#""id":"urn:x:1","type":"T","level":[{"value":1},{"value":2}]"#, ["level", "default instance"]),
        (r#""id":"urn:x:1","type":"T","level":[{"value":1,"datasetId":"x"}]"#, ["level", "datasetId"]),
        (r#""id":"urn:x:1","type":"T","friend":{"type":"Relationship","object":"me"}"#, ["friend", "object"]),
        (
            r#""id":"urn:x:1","type":"T","place":{"type":"GeoProperty","value":{"type":"Point","coordinates":["a"]}}"#,
            ["place", "coordinates"],
        ),
        (
            r#""id":"urn:x:1","type":"T","label":{"type":"LanguageProperty","languageMap":{"en":1}}"#,
            ["label", "en"],
        ),
        (r#""id":"urn:x:1","type":"T","scope":["//"]"#, ["scope", "//"]),
        (r#""id":"urn:x:1","type":"T","bad<name":1"#, ["bad<name", "name"]),
    ] {
        is_problem(&post(&format!("{{{rest}}}")).await, 400, "BadRequestData", &words);
    }
    door.goes_on().await;
}

#[tokio::test]
async fn a_query_that_is_none_is_refused_by_the_name_of_the_parameter() {
    let door = Door::open(&[]).await;
    let long = json!({ "id": "urn:x:1", "type": "T", "text": "a".repeat(50_000) });
    door.http.post("/entities", &long).await.expect(201);
    for (query, words) in [
        ("type=T&q=text==", "q"),
        ("type=T&q=text~=(a", "regular expression"),
        ("type=T&q=text~=((a{1000}){1000}){1000}", "regular expression"),
        ("type=T&idPattern=(a", "idPattern"),
        ("type=T&idPattern=((a{1000}){1000}){1000}", "idPattern"),
        ("type=(T", "type"),
        ("type=T&scopeQ=(/a", "scopeQ"),
        ("type=T&csf=(", "csf"),
        ("type=T&georel=near&geometry=Point&coordinates=[0,0]", "near"),
        ("type=T&georel=within&geometry=Square&coordinates=[0,0]", "Square"),
        ("type=T&georel=within", "geometry"),
        ("type=T&limit=-1", "limit"),
        ("type=T&offset=x", "offset"),
        ("type=T&attrs=a&pick=b", "attrs"),
        ("type=T&orderBy=", "orderBy"),
        ("type=T&joinLevel=2", "joinLevel"),
        ("id=x", "id"),
    ] {
        let answer =
            door.http.get(&format!("/entities?{}", query.replace('{', "%7B").replace('}', "%7D"))).await;
        is_problem(&answer, 400, "BadRequestData", &[words]);
    }
    let answer = door.http.get("/entities?type=T&format=xml").await;
    is_problem(&answer, 400, "InvalidRequest", &["format", "xml"]);
    let nested = format!("/entities?type=T&q={}text{}", "(".repeat(500), ")".repeat(500));
    is_problem(&door.http.get(&nested).await, 403, "TooComplexQuery", &["parentheses"]);
    is_problem(&door.http.get("/entities?type=T&limit=1000000").await, 403, "TooManyResults", &["limit"]);
    // Patterns that take others for ever are answered like any other.
    for pattern in ["q=text~=^(a%2B)%2B$;text~=(a|aa)*b", "idPattern=^(([a-z:0-9])%2B)%2B!$"] {
        assert_eq!(door.http.get(&format!("/entities?type=T&{pattern}")).await.expect(200), json!([]));
    }
    door.goes_on().await;
}

#[tokio::test]
async fn each_other_error_type_is_in_its_place() {
    let door = Door::open(&[]).await;
    let http = &door.http;
    let entity = json!({ "id": "urn:x:1", "type": "T", "a": 1 });
    http.post("/entities", &entity).await.expect(201);
    is_problem(&http.post("/entities", &entity).await, 409, "AlreadyExists", &["urn:x:1"]);
    is_problem(&http.get("/entities/urn:x:9").await, 404, "ResourceNotFound", &["urn:x:9"]);
    is_problem(&http.delete("/entities/urn:x:1/attrs/b").await, 404, "ResourceNotFound", &["b"]);
    is_problem(&http.get("/subscriptions/urn:s:9").await, 404, "ResourceNotFound", &["urn:s:9"]);
    is_problem(&http.get("/nowhere").await, 404, "ResourceNotFound", &["/nowhere"]);
    is_problem(&http.get("/temporal/entities?type=T").await, 422, "OperationNotSupported", &["history"]);
    let with = async |name: &str, value: &str| {
        let request = http.request(Method::GET, "/entities?type=T").header(name, value);
        Answer::of(request.send().await.expect("it answers")).await
    };
    is_problem(&with("NGSILD-Tenant", "nobody").await, 404, "NonexistentTenant", &["nobody"]);
    let link = r#"<http://127.0.0.1:1/c.jsonld>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json""#;
    is_problem(
        &with("Link", link).await,
        504,
        "LdContextNotAvailable",
        &["http://127.0.0.1:1/c.jsonld", "public"],
    );
    let body = json!({ "id": "urn:x:2", "type": "T", "@context": "http://127.0.0.1:1/c.jsonld" }).to_string();
    let answer = sent(http, Method::POST, "/entities", "application/ld+json", body).await;
    is_problem(&answer, 504, "LdContextNotAvailable", &["http://127.0.0.1:1/c.jsonld"]);
    let body = json!({ "id": "urn:x:2", "type": "T", "@context": 7 }).to_string();
    let answer = sent(http, Method::POST, "/entities", "application/ld+json", body).await;
    is_problem(&answer, 400, "BadRequestData", &["@context", "number"]);
    for (document, words) in [
        (json!({ "type": "Subscription", "entities": [{ "type": "T" }] }), "notification"),
        (
            json!({ "type": "Subscription", "notification": { "endpoint": { "uri": "http://x/" } } }),
            "entities",
        ),
        (
            json!({ "type": "Subscription", "entities": [{ "type": "T" }], "notification": { "endpoint": { "uri": "no" } } }),
            "uri",
        ),
        (
            json!({ "type": "Subscription", "entities": [{ "id": "urn:x:1" }], "notification": { "endpoint": { "uri": "http://x/" } } }),
            "type",
        ),
        (
            json!({ "type": "Subscription", "entities": [{ "type": "T" }], "q": "a==", "notification": { "endpoint": { "uri": "http://x/" } } }),
            "q",
        ),
    ] {
        is_problem(&http.post("/subscriptions", &document).await, 400, "BadRequestData", &[words]);
    }
    let registration = json!({ "type": "ContextSourceRegistration", "endpoint": "http://x/" });
    is_problem(
        &http.post("/csourceRegistrations", &registration).await,
        400,
        "BadRequestData",
        &["information"],
    );
    door.goes_on().await;

    let alone = Door::open(&["--tenants-max", "0"]).await;
    let request = alone.http.request(Method::GET, "/entities?type=T").header("NGSILD-Tenant", "a");
    let answer = Answer::of(request.send().await.expect("it answers")).await;
    is_problem(&answer, 501, "NoMultiTenantSupport", &["NGSILD-Tenant"]);
    alone.goes_on().await;
}

#[tokio::test]
async fn circles_of_relationships_end() {
    let door = Door::open(&[]).await;
    for (from, to) in [(1, 2), (2, 3), (3, 1), (4, 4)] {
        let to =
            json!({ "type": "Relationship", "object": [format!("urn:c:{to}"), format!("urn:c:{from}")] });
        let entity = json!({ "id": format!("urn:c:{from}"), "type": "C", "next": to });
        door.http.post("/entities", &entity).await.expect(201);
    }
    for join in ["inline", "flat"] {
        let path = format!("/entities?type=C&join={join}&joinLevel=100&q=next%7Bnext%7Bnext%7D%7D");
        let found: Value = door.http.get(&path).await.expect(200);
        assert_eq!(found.as_array().map(Vec::len), Some(4), "{join}");
    }
    door.goes_on().await;
}

/// Sends a gigabyte for as long as the broker takes it; gives the start of the answer, if there is one.
async fn gigabyte(address: &str, head: &str, before: &[u8], after: &[u8]) -> String {
    let mebibyte = [before, &[b' '; 1 << 20], after].concat();
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "POST {ROOT}/entities HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads the head");
    for _ in 0..1024 {
        // Who goes on sending for long is cut off.
        if stream.write_all(&mebibyte).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    match stream.read_exact(&mut answer).await {
        Ok(_) => String::from_utf8_lossy(&answer).into_owned(),
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_refused_without_its_memory() {
    let door = Door::open(&[]).await;
    let (address, before) = (door.broker.address("http"), door.peak_mib());
    let sized = gigabyte(&address, "Content-Length: 1073741824", b"", b"").await;
    let chunked = gigabyte(&address, "Transfer-Encoding: chunked", b"100000\r\n", b"\r\n").await;
    for answer in [sized, chunked] {
        // When it was cut off, the answer may be lost with the connection.
        assert!(answer.is_empty() || answer == "HTTP/1.1 413", "{answer}");
    }
    // One body may be as large as is allowed, 16 MiB, with its copies.
    let more = door.peak_mib().saturating_sub(before);
    assert!(more < 100, "{more} MiB more than before");
    door.goes_on().await;
}

//! A listener for notifications: it keeps what it receives as text, and gives it back. `GET /dump` answers everything
//! so far, `GET /number` how many requests that were, `POST /reset` forgets them. Everything else is kept: method and
//! URL, headers, body.
//!
//! `cargo run -p morgana-ngsi-v2 --example accumulator -- --port 1028 --url /notify --host localhost --pretty-print`

use std::{convert::Infallible, error::Error, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use morgana_ngsi_v2::Json;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// What separates two requests in a dump.
const LINE: &str = "=======================================\n";

#[derive(Default)]
struct Kept {
    text: String,
    number: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut host, mut pretty) = (1028_u16, "localhost".to_owned(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        match &*flag {
            "--port" => port = arguments.next().ok_or("--port needs a value")?.parse()?,
            "--host" => host = arguments.next().ok_or("--host needs a value")?,
            // Every path is listened to.
            "--url" | "--key" | "--cert" => drop(arguments.next()),
            "--pretty-print" => pretty = true,
            "--https" => return Err("this listener speaks plain HTTP only".into()),
            _ => {}
        }
    }
    let listener = TcpListener::bind((host.as_str(), port)).await?;
    let kept = Arc::new(Mutex::new(Kept::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        let kept = Arc::clone(&kept);
        let service = service_fn(move |request| answer(Arc::clone(&kept), request, pretty));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    kept: Arc<Mutex<Kept>>,
    request: Request<Incoming>,
    pretty: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/dump") => kept.lock().text.clone(),
        (&Method::GET, "/number") => kept.lock().number.to_string(),
        (&Method::POST, "/reset") => {
            *kept.lock() = Kept::default();
            String::new()
        }
        // Answers that test how a sender takes them.
        (_, path) if path.ends_with("/badresponse/op/query") || path.ends_with("/badresponse") => {
            let mut response = Response::new(Full::new(Bytes::from_static(b"not found")));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
        _ => {
            let entry = describe(&parts.method, &parts.uri.to_string(), &parts.headers, &body, pretty);
            let mut kept = kept.lock();
            kept.text.push_str(&entry);
            kept.number += 1;
            String::new()
        }
    };
    Ok(Response::new(Full::new(Bytes::from(text))))
}

fn describe(method: &Method, uri: &str, headers: &HeaderMap, body: &[u8], pretty: bool) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut entry = format!("{method} http://{host}{uri}\n");
    for (name, value) in headers {
        entry.push_str(&format!("{}: {}\n", title(name.as_str()), value.to_str().unwrap_or_default()));
    }
    let text = String::from_utf8_lossy(body);
    if !text.is_empty() {
        entry.push('\n');
        match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(json) if pretty => {
                indent(&json, 0, &mut entry);
                entry.push('\n');
            }
            _ => entry.push_str(&text),
        }
    }
    entry.push_str(LINE);
    entry
}

/// JSON with four spaces a level and members in order.
fn indent(json: &serde_json::Value, level: usize, out: &mut String) {
    use serde_json::Value;
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        out.push_str(&"    ".repeat(level));
    };
    match json {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, level + 1);
                indent(item, level + 1, out);
            }
            line(out, level);
            out.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort();
            out.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, level + 1);
                out.push_str(&format!("{}: ", Json::from(name.as_str()).to_text()));
                indent(&members[name], level + 1, out);
            }
            line(out, level);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// A header's name with capitals.
fn title(name: &str) -> String {
    let part = |part: &str| part[..1].to_ascii_uppercase() + &part[1..];
    name.split('-').filter(|text| !text.is_empty()).map(part).collect::<Vec<_>>().join("-")
}

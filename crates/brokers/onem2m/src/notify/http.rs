//! The HTTP/1.1 client of notifications to plain `http` targets. It writes header names as TS-0009 spells them
//! (`X-M2M-RVI`), which the common libraries do not: many receivers in the field compare them letter by letter, though
//! RFC 9110 says not to.

use std::{collections::HashMap, io, time::Duration};

use http::{StatusCode, Uri};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Idle connections that are kept to one authority.
const IDLE: usize = 4;

/// The largest head, and the largest body of an answer that is read, in bytes.
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = 1024 * 1024;

/// Answers have at most this many headers.
const HEADERS_MAX: usize = 64;

const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// A client with kept connections.
#[derive(Debug, Default)]
pub(super) struct HttpCaller {
    idle: Mutex<HashMap<String, Vec<TcpStream>>>,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    pub(super) status: StatusCode,
    /// `X-M2M-RSC`.
    pub(super) code: Option<u16>,
    pub(super) body: Vec<u8>,
    reusable: bool,
}

impl HttpCaller {
    /// POSTs a body. A kept connection that turns out to be closed is replaced once.
    pub(super) async fn post(
        &self,
        uri: &Uri,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> io::Result<HttpAnswer> {
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let request = request(uri, &authority, headers, body);
        if let Some(mut kept) = self.take(&authority)
            && let Ok(answer) = exchange(&mut kept, &request).await
        {
            self.give_back(authority, kept, &answer);
            return Ok(answer);
        }
        let address = (uri.host().unwrap_or_default().trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
        let mut fresh = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        fresh.set_nodelay(true)?;
        let answer = exchange(&mut fresh, &request).await?;
        self.give_back(authority, fresh, &answer);
        Ok(answer)
    }

    fn take(&self, authority: &str) -> Option<TcpStream> {
        self.idle.lock().get_mut(authority)?.pop()
    }

    fn give_back(&self, authority: String, connection: TcpStream, answer: &HttpAnswer) {
        if answer.reusable {
            let mut idle = self.idle.lock();
            let kept = idle.entry(authority).or_default();
            if kept.len() < IDLE {
                kept.push(connection);
            }
        }
    }
}

fn request(uri: &Uri, authority: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut text =
        format!("POST {target} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        // A line break in a value would be a header of its own.
        text.extend(value.chars().filter(|letter| !letter.is_control()));
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

async fn exchange(connection: &mut TcpStream, request: &[u8]) -> io::Result<HttpAnswer> {
    connection.write_all(request).await?;
    let mut read = Vec::with_capacity(1024);
    loop {
        if connection.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        match head.parse(&read).map_err(io::Error::other)? {
            httparse::Status::Complete(length) => {
                let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
                let status = status.ok_or(io::ErrorKind::InvalidData)?;
                if status == StatusCode::CONTINUE {
                    read.drain(..length);
                    continue;
                }
                let value = |name: &str| {
                    let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
                };
                let code = value("x-m2m-rsc").and_then(|code| code.parse().ok());
                let keep = value("connection")
                    .map_or(head.version == Some(1), |how| how.eq_ignore_ascii_case("keep-alive"));
                let chunked = value("transfer-encoding").is_some();
                let size = value("content-length").and_then(|size| size.parse::<usize>().ok());
                let mut body = read.split_off(length);
                let length_known = size.is_some_and(|size| size <= BODY_MAX) && !chunked;
                let size = match size {
                    Some(size) if length_known => size,
                    // What has no length is not waited for: it says nothing that a notification needs.
                    _ => body.len(),
                };
                while body.len() < size {
                    if connection.read_buf(&mut body).await? == 0 {
                        break;
                    }
                }
                // Nothing more than the body was read: the next answer begins where this one ends.
                let reusable = keep && length_known && body.len() == size;
                return Ok(HttpAnswer { status, code, body, reusable });
            }
            httparse::Status::Partial if read.len() > HEAD_MAX => {
                return Err(io::ErrorKind::InvalidData.into());
            }
            httparse::Status::Partial => {}
        }
    }
}

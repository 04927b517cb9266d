//! Requests as bytes.

use std::io::Write;

/// Appends a request without a body.
pub(crate) fn get(out: &mut Vec<u8>, path: &str, headers: &str) {
    bare(out, "GET", path, headers);
}

/// Appends a request without a body, with any method.
pub(crate) fn bare(out: &mut Vec<u8>, method: &str, path: &str, headers: &str) {
    // Writing to memory does not fail.
    let _ = write!(out, "{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n");
}

/// Appends a request with a body. `headers` are whole lines, each with its `\r\n`, and say what the body is.
pub(crate) fn with_body(out: &mut Vec<u8>, method: &str, path: &str, headers: &str, body: &str) {
    let length = body.len();
    let _ = write!(
        out,
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
}

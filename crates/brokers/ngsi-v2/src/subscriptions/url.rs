use crate::Error;

/// Checks the URL of a notification: an `http`, `https` or `mqtt` URL with a host that can exist.
///
/// # Errors
/// When it is not one.
pub(crate) fn check_url(url: &str) -> Result<(), Error> {
    if is_url(url) { Ok(()) } else { Err(Error::bad("Invalid URL parsing notification url")) }
}

fn is_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    if !matches!(scheme, "http" | "https" | "mqtt") {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(address) = authority.strip_prefix('[') {
        let Some((address, port)) = address.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok()
            && (port.is_empty() || is_port(port.strip_prefix(':')));
    }
    match authority.split_once(':') {
        None => is_host(authority),
        Some((host, port)) => is_host(host) && is_port(Some(port)),
    }
}

fn is_port(port: Option<&str>) -> bool {
    port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A host name (RFC 1123).
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_and_maybe_a_port() {
        for url in [
            "http://localhost:1028/x",
            "https://a-b.c",
            "http://[::1]:9997/notify",
            "mqtt://h:1883",
            "http://1.2.3.4?x",
        ] {
            assert!(is_url(url), "{url}");
        }
        for url in [
            "localhost",
            "localhost 1234",
            "http://",
            "http://.a",
            "http://a.",
            "http://a..b",
            "http://-a",
            "http://a_b",
            "http://a-.b",
            "http://a:99999",
            "http://a:0",
            "http://a:x",
            "ftp://a",
            "http://[::1",
            "http://[x]:1",
        ] {
            assert!(!is_url(url), "{url}");
        }
        assert!(!is_url(&format!("http://{}", "a".repeat(64))));
    }
}

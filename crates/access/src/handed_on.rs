//! Whose request it is that one controller hands on to another.
//!
//! The one that answers sees the address of the one that hands on. It is told the client's own in a header,
//! signed with the key that both have: without the key nobody can say to come from elsewhere.

use std::net::IpAddr;

use jsonwebtoken::Algorithm;
use morgana_model::Secret;

use crate::{SigningKey, same_secret};

/// What the header says of a request of `client`: `<address> <HMAC-SHA256 of address, method and target>`.
/// `target` is path and query, as they are sent.
pub fn handed_on(key: &SigningKey, method: &str, target: &str, client: IpAddr) -> String {
    let client = client.to_canonical();
    format!("{client} {}", signature(key, method, target, client))
}

/// The address in a header that a holder of the key wrote for this very method and target; else none.
pub fn verify_handed_on(key: &SigningKey, method: &str, target: &str, said: &str) -> Option<IpAddr> {
    let (client, signed) = said.split_once(' ')?;
    let client: IpAddr = client.parse().ok()?;
    same_secret(signed, &Secret::new(signature(key, method, target, client))).then_some(client)
}

/// The bar keeps it from being the signature of anything else that the key signs. Neither an address nor a
/// method has a space.
fn signature(key: &SigningKey, method: &str, target: &str, client: IpAddr) -> String {
    let message = format!("handed-on|{client} {method} {target}");
    jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding(), Algorithm::HS256)
        .expect("a key of bytes signs with HS256")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate(&mut rand::rng())
    }

    #[test]
    fn the_address_comes_back_as_the_client_has_it() {
        let key = key();
        for (client, seen) in [
            ("10.0.0.7", "10.0.0.7"),
            ("2001:db8::7", "2001:db8::7"),
            // On a dual-stack socket an IPv4 client has an IPv6 address that stands for its own.
            ("::ffff:10.0.0.7", "10.0.0.7"),
        ] {
            let said = handed_on(&key, "GET", "/v1/vsilos?limit=2", client.parse().unwrap());
            let found = verify_handed_on(&key, "GET", "/v1/vsilos?limit=2", &said);
            assert_eq!(found, Some(seen.parse().unwrap()), "{said}");
        }
    }

    #[test]
    fn without_the_key_nobody_says_where_a_request_came_from() {
        let key = key();
        let client = "10.0.0.7".parse().unwrap();
        let good = handed_on(&key, "POST", "/v1/login", client);
        let other_address = good.replacen("10.0.0.7", "10.0.0.8", 1);
        let foreign = handed_on(&self::key(), "POST", "/v1/login", client);
        let bare = format!("10.0.0.7 {}", "A".repeat(43));
        for wrong in
            ["", "1", "10.0.0.7", "10.0.0.7 ", " ", "x y", &other_address, &foreign, &bare, &good[1..]]
        {
            assert_eq!(verify_handed_on(&key, "POST", "/v1/login", wrong), None, "{wrong}");
        }
        // What was heard of one request is no use for another.
        assert_eq!(verify_handed_on(&key, "PUT", "/v1/login", &good), None);
        assert_eq!(verify_handed_on(&key, "POST", "/login", &good), None);
        assert_eq!(verify_handed_on(&key, "POST", "/v1/login", &good), Some(client));
    }
}

//! Lines to paste into a shell that reach a vSilo's doors.

use morgana_model::{ImageName, VSilo};

/// What a door speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Mqtt,
    NgsiLd,
    NgsiV2,
    OneM2m,
    Http,
}

/// What a silo of this image speaks at an inner port. Port 1883 is MQTT in every flavour; the
/// other ports are those of VirIoT's flavours (viriot-wire.md section 4.2).
fn protocol(image: Option<&ImageName>, inner: &str) -> Protocol {
    let kind = match image {
        Some(ImageName::Builtin(kind)) => kind.as_str(),
        _ => "",
    };
    match (inner, kind) {
        ("1883/tcp", _) => Protocol::Mqtt,
        (_, "ngsi-ld") | ("9090/tcp", _) => Protocol::NgsiLd,
        (_, "ngsi-v2") | ("1026/tcp", _) => Protocol::NgsiV2,
        (_, "onem2m") | ("7579/tcp", _) => Protocol::OneM2m,
        _ => Protocol::Http,
    }
}

/// One line for each door of a silo, as seen from a machine that reaches `host`. `image` is what
/// the silo's flavour runs.
pub(crate) fn lines(silo: &VSilo, image: Option<&ImageName>, host: &str) -> Vec<String> {
    let tenant = silo.spec.tenant.as_str();
    let token = silo.token.as_ref().map(|token| token.expose());
    let bearer = token.map(|token| format!(" -H {}", quoted(&format!("Authorization: Bearer {token}"))));
    let bearer = bearer.unwrap_or_default();
    let line = |(inner, port): (&String, &u16)| {
        let get = |headers: &str, path: &str| {
            format!("curl{bearer}{headers} {}", quoted(&format!("http://{host}:{port}{path}")))
        };
        match protocol(image, inner) {
            Protocol::Mqtt => {
                let login = token.map(|token| format!(" -u {} -P {}", quoted(tenant), quoted(token)));
                let host = host.trim_matches(['[', ']']);
                let topic = quoted(&format!("{tenant}/#"));
                format!("mosquitto_sub -h {host} -p {port}{} -t {topic} -v", login.unwrap_or_default())
            }
            Protocol::NgsiLd => get("", "/ngsi-ld/v1/entities?local=true"),
            Protocol::NgsiV2 => get("", "/v2/entities"),
            Protocol::OneM2m => get(
                &format!(" -H {} -H 'X-M2M-RI: 1'", quoted(&format!("X-M2M-Origin: {tenant}"))),
                "/Mobius?rcn=4",
            ),
            Protocol::Http => get("", "/"),
        }
    };
    silo.status.endpoints.iter().map(line).collect()
}

/// A text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn silo(token: Option<&str>, endpoints: serde_json::Value) -> VSilo {
        serde_json::from_value(json!({
            "id": "tenant1_home",
            "metadata": {"createdAt": "2026-03-01T12:00:00Z", "generation": 1},
            "spec": {"tenant": "tenant1", "name": "home", "flavour": "f"},
            "status": {"phase": "running", "endpoints": endpoints},
            "token": token,
        }))
        .unwrap()
    }

    fn lines_of(image: &str, silo: &VSilo) -> Vec<String> {
        lines(silo, Some(&image.parse().unwrap()), "127.0.0.1")
    }

    #[test]
    fn each_door_has_a_line_in_its_own_protocol() {
        let token = Some("t0k");
        assert_eq!(
            lines_of("builtin:mqtt", &silo(token, json!({"1883/tcp": 40001}))),
            ["mosquitto_sub -h 127.0.0.1 -p 40001 -u tenant1 -P t0k -t 'tenant1/#' -v"]
        );
        assert_eq!(
            lines_of("builtin:ngsi-ld", &silo(token, json!({"9090/tcp": 40002}))),
            ["curl -H 'Authorization: Bearer t0k' 'http://127.0.0.1:40002/ngsi-ld/v1/entities?local=true'"]
        );
        assert_eq!(
            lines_of("fed4iot/mobius2", &silo(token, json!({"7579/tcp": 7, "1883/tcp": 8}))),
            [
                "curl -H 'Authorization: Bearer t0k' -H 'X-M2M-Origin: tenant1' -H 'X-M2M-RI: 1' \
                 'http://127.0.0.1:7/Mobius?rcn=4'",
                "mosquitto_sub -h 127.0.0.1 -p 8 -u tenant1 -P t0k -t 'tenant1/#' -v",
            ]
        );
    }

    #[test]
    fn an_open_silo_is_reached_without_a_token() {
        let silo = silo(None, json!({"1883/tcp": 1, "1026/tcp": 2}));
        assert_eq!(
            lines_of("builtin:ngsi-v2", &silo),
            ["mosquitto_sub -h 127.0.0.1 -p 1 -t 'tenant1/#' -v", "curl http://127.0.0.1:2/v2/entities"]
        );
    }

    #[test]
    fn no_token_can_end_its_quotes() {
        let silo = silo(Some("a'; rm -rf / '"), json!({"80/tcp": 1}));
        assert_eq!(
            lines_of("fed4iot/x", &silo),
            [r"curl -H 'Authorization: Bearer a'\''; rm -rf / '\''' http://127.0.0.1:1/"]
        );
    }
}

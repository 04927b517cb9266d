//! Where a notification target is: a URI, or an entity with points of access or a polling channel.

use http::Uri;

use super::Courier;
use crate::{
    address::Identity,
    options::RELEASES,
    remote::{next_hop, points_of_access, uri_of},
    tree::Tree,
    types::ty,
};

/// One way to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) uri: Uri,
    /// Whether it wants CBOR.
    pub(crate) cbor: bool,
    /// The release that it speaks.
    pub(crate) release: &'static str,
}

/// The release of notifications to whom the CSE knows nothing of.
const RELEASE: &str = "3";

/// The ways to a notification target, best first. None when it is an AE that cannot be reached now; an error when
/// there is no such target.
pub(crate) fn destinations(
    tree: &Tree,
    identity: &Identity,
    courier: &Courier,
    target: &str,
) -> Result<Vec<Destination>, String> {
    if courier.has_listener(target) {
        return Ok(vec![Destination { uri: special("local", target)?, cbor: false, release: RELEASE }]);
    }
    if target.contains("://") {
        return Ok(vec![url(courier, target, false, RELEASE)?]);
    }
    if let Some(cse) = identity.elsewhere(target) {
        return through_cse(tree, identity, target, &cse);
    }
    let short = identity.short_entity(target);
    let slot = tree.ae(short).or_else(|| identity.find(tree, target));
    let ae = slot.map(|slot| tree.at(slot)).filter(|resource| resource.ty == ty::AE);
    let ae = ae.ok_or_else(|| format!("{target} is neither a URI nor an AE of this CSE"))?;
    let aei = ae.ae_id().unwrap_or_default();
    if courier.has_listener(aei) {
        return Ok(vec![Destination { uri: special("local", aei)?, cbor: false, release: RELEASE }]);
    }
    let polls =
        ae.family.iter().flat_map(|family| &family.children).any(|child| tree.at(*child).ty == ty::PCH);
    if polls {
        return Ok(vec![Destination { uri: special("poll", aei)?, cbor: false, release: RELEASE }]);
    }
    if ae.attributes.flag("rr") != Some(true) {
        return Ok(Vec::new());
    }
    let cbor = ae.attributes.texts("csz").next().is_some_and(|first| first.contains("cbor"));
    let spoken = |release: &&&str| ae.attributes.texts("srv").any(|known| known == **release);
    let release = RELEASES.iter().rev().find(spoken).copied().unwrap_or(RELEASE);
    let mut points = ae.attributes.texts("poa").peekable();
    if courier.sessions.has(aei)
        && (points.peek().is_none() || ae.attributes.texts("poa").any(|point| point.starts_with("ws")))
    {
        // It is connected, and so it is reached over this connection (TS-0020 5.2).
        return Ok(vec![Destination { uri: special("session", aei)?, cbor, release }]);
    }
    Ok(points.filter_map(|point| url(courier, point, cbor, release).ok()).collect())
}

/// The ways to something of another CSE: to that CSE, which hands it on.
fn through_cse(
    tree: &Tree,
    identity: &Identity,
    target: &str,
    cse: &str,
) -> Result<Vec<Destination>, String> {
    let slot =
        next_hop(tree, identity, cse, &identity.cse_id()).map_err(|failure| failure.debug.into_owned())?;
    let csi = tree.at(slot).attributes.text("csi").unwrap_or_default();
    let entity = csi.trim_matches('/');
    let way = |point: String| {
        let uri = match point.split_once("://")?.0 {
            "http" | "https" => uri_of(&point, target).ok()?,
            "poll" => special("poll", csi).ok()?,
            "ws" => point.parse().ok()?,
            "mqtt" | "mqtts" => format!("{}/{entity}", point.trim_end_matches('/')).parse().ok()?,
            _ => return None,
        };
        Some(Destination { uri, cbor: false, release: RELEASE })
    };
    Ok(points_of_access(tree, slot).into_iter().filter_map(way).collect())
}

/// A URI, without the `ct` parameter that says how the content is to be written (TS-0001 table 9.6.8-2).
fn url(courier: &Courier, text: &str, cbor: bool, release: &'static str) -> Result<Destination, String> {
    let (path, query) = text.split_once('?').map_or((text, ""), |(path, query)| (path, query));
    let mut cbor = cbor;
    let rest: Vec<&str> = query
        .split('&')
        .filter(|pair| match pair.split_once('=') {
            Some(("ct", kind)) => {
                cbor = kind.contains("cbor");
                false
            }
            _ => !pair.is_empty(),
        })
        .collect();
    let plain = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let uri: Uri = plain.parse().map_err(|_| format!("{text} is not a URI"))?;
    match uri.scheme_str() {
        // Whatever the host: it is this CSE's own broker that the entity listens on.
        Some("mqtt" | "mqtts") => {
            let entity = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
            if courier.has_listener(entity) {
                return Ok(Destination { uri: special("local", entity)?, cbor: false, release });
            }
            Ok(Destination { uri, cbor, release })
        }
        Some("http" | "https" | "ws" | "coap") => Ok(Destination { uri, cbor, release }),
        other => Err(format!("{text}: there is no binding for {}", other.unwrap_or("a URI without scheme"))),
    }
}

/// The URI of a way inside this process: the entity's ID in hexadecimal as the host, since IDs know capital letters.
fn special(scheme: &str, entity: &str) -> Result<Uri, String> {
    let host: String = entity.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{scheme}://{host}/").parse().map_err(|_| format!("{entity} is not an ID"))
}

/// The entity of a [`special`] URI.
pub(super) fn entity_of(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default().as_bytes();
    let bytes =
        host.chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}

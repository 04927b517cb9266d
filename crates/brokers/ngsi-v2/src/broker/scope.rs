use http::HeaderValue;
use rand::RngExt;

use crate::model::ServicePaths;

/// What a request says besides what it asks: for which service, where, and how it is traced.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `Fiware-Service`, in small letters.
    pub service: Box<str>,
    /// `Fiware-ServicePath`.
    pub paths: ServicePaths,
    /// `Fiware-Correlator`: links a request to the notifications it leads to.
    pub correlator: Box<str>,
    /// `X-Auth-Token`, which notifications hand on.
    pub token: Option<HeaderValue>,
}

impl Scope {
    /// The default service, everywhere, with a new correlator.
    pub fn new() -> Self {
        Self { correlator: correlator(), ..Self::default() }
    }
}

/// A new correlator, in the form of a UUID of version 4.
pub(crate) fn correlator() -> Box<str> {
    let random: u128 = rand::rng().random();
    let bits =
        (random & !(0xf000_u128 << 64) & !(0xc000_u128 << 48)) | (0x4000_u128 << 64) | (0x8000_u128 << 48);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]).into()
}

/// A new id of a subscription or registration: 24 hexadecimal digits that begin with the time, so that ids sort in the
/// order of creation.
pub(crate) fn new_id() -> Box<str> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let seconds = (crate::Time::now().as_millis() / 1000) as u32;
    // The count wraps after sixteen million ids in one second.
    let count = COUNT.fetch_add(1, Ordering::Relaxed) & 0x00ff_ffff;
    let random: u64 = rand::rng().random();
    format!("{seconds:08x}{count:06x}{:010x}", random & 0xff_ffff_ffff).into()
}

//! JSON-LD @contexts (NGSI-LD 4.4, 5.5.7) as parsed term maps: a name is expanded once on the way in and compacted on
//! the way out. No general JSON-LD processing happens.

mod cache;
mod core;
mod definition;
mod hosted;
mod resolver;

pub use self::core::CORE_CONTEXT_URL;
pub(crate) use self::core::is_core_url;
pub use definition::Context;
pub(crate) use hosted::{ContextInfo, ContextKind, HostedContexts};
pub use resolver::{ContextOptions, Contexts};

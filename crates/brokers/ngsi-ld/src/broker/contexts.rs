//! Contexts that the broker serves and keeps (NGSI-LD 5.13).

use uuid::Uuid;

use super::Broker;
use crate::{
    Context, Error, ErrorKind,
    context::{ContextInfo, ContextKind, is_core_url},
    model::{Json, encode_hosted, encode_no_hosted},
};

impl Broker {
    /// Adds a context (NGSI-LD 5.13.2) and gives its id.
    pub(crate) async fn host_context(&self, body: Json) -> Result<Box<str>, Error> {
        let inner = body
            .get("@context")
            .ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "the body has no @context"))?;
        let document = Json::Object([("@context".into(), inner.clone())].into());
        // What cannot be used is not hosted.
        self.inner.contexts.resolve(Some(inner)).await?;
        self.write(|write| {
            let id: Box<str> = Uuid::new_v4().to_string().into();
            write.append(&encode_hosted(&id, ContextKind::Hosted, &document, write.now))?;
            write.inner.contexts.hosted().insert(&id, ContextKind::Hosted, document, write.now);
            Ok(id)
        })
        .await
    }

    /// Makes a context that one URL can name of one that several do, for the notifications of a subscription (NGSI-LD
    /// 5.8.1): served by this broker at `root`, the URL that the client sees it at.
    pub(crate) async fn implicit_context(&self, context: &Context, root: &str) -> Result<Box<str>, Error> {
        let document = Json::Object([("@context".into(), context.source().clone())].into());
        self.write(|write| {
            let id = Uuid::new_v4().to_string();
            let kind = ContextKind::ImplicitlyCreated;
            write.append(&encode_hosted(&id, kind, &document, write.now))?;
            write.inner.contexts.hosted().insert(&id, kind, document, write.now);
            Ok(format!("{root}/jsonldContexts/{id}").into())
        })
        .await
    }

    /// All contexts there are (NGSI-LD 5.13.3).
    pub(crate) fn context_infos(&self) -> Vec<ContextInfo> {
        let contexts = &self.inner.contexts;
        contexts.hosted().infos().into_iter().chain(contexts.cached()).collect()
    }

    /// One context, by its id or, for a cached one, its URL (NGSI-LD 5.13.4).
    pub(crate) fn context_info(&self, id: &str) -> Option<ContextInfo> {
        let contexts = &self.inner.contexts;
        let hosted = contexts.hosted().infos().into_iter().find(|info| *info.id == *id);
        hosted.or_else(|| contexts.find_cached(id))
    }

    /// The document of a context (NGSI-LD 5.13.4). One that was made for a subscription of a tenant is given to who does
    /// not name the tenant, as receivers of notifications follow its URL and nothing else; its id is known from there only.
    pub(crate) fn context_document(&self, id: &str) -> Option<Json> {
        let own = self.inner.contexts.hosted().document(id);
        own.or_else(|| {
            let implicit = |tenant: &Self| {
                let hosted = tenant.inner.contexts.hosted();
                hosted.document(id).filter(|_| hosted.is_implicit(id))
            };
            self.all_tenants().iter().find_map(implicit)
        })
    }

    /// Deletes a context (NGSI-LD 5.13.5); with `reload`, a cached one is fetched anew instead.
    pub(crate) async fn delete_context(&self, id: &str, reload: bool) -> Result<(), Error> {
        let contexts = &self.inner.contexts;
        let is_hosted = contexts.hosted().document(id).is_some();
        if reload {
            // What is built in is as new as the broker.
            if is_core_url(id) {
                return Ok(());
            }
            // What is not there is not cached either: of the two errors that 5.13.5.4 has for it, the one for `reload`.
            if is_hosted || !contexts.has_cached(id) {
                return Err(Error::bad(format!(
                    "only a cached context can be loaded again, and {id} is none"
                )));
            }
            return contexts.reload(id).await;
        }
        if is_core_url(id) {
            return Err(Error::bad("the core @context is part of the broker and cannot be deleted"));
        }
        if !is_hosted {
            return if contexts.forget(id) { Ok(()) } else { Err(not_found(id)) };
        }
        self.write(|write| {
            write.append(&encode_no_hosted(id))?;
            write.inner.contexts.hosted().remove(id);
            write.inner.contexts.forget_parsed();
            Ok(())
        })
        .await
    }
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, format!("there is no context {id}"))
}

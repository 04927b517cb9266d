//! Registration of this CSE with another (TS-0001 10.2.2.6): its remoteCSE there, and that CSE's remoteCSE here.

use std::{sync::Weak, time::Duration};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Cse, Inner, create::Draft};
use crate::{
    options::Registrar,
    primitive::{Operation, Outcome, Request},
    status::{Failure, Status},
    tree::ROOT,
    types::{self, ty},
};

/// How long one request to the registrar may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks from time to time whether the registration stands, and makes it when not.
pub(super) async fn run(cse: Weak<Inner>, registrar: Registrar, stop: CancellationToken) {
    let pause = Duration::from_secs(registrar.check_seconds.max(1));
    let mut was_registered = false;
    loop {
        let Some(inner) = cse.upgrade() else { return };
        let changed = inner.descendants_changed();
        let cse = Cse { inner };
        match cse.register_with(&registrar).await {
            Ok(()) if !was_registered => {
                was_registered = true;
                tracing::info!(registrar = registrar.cse_id, "registered");
            }
            Ok(()) => {}
            Err(failure) => {
                was_registered = false;
                tracing::warn!(%failure, registrar = registrar.cse_id, "cannot register");
            }
        }
        drop(cse);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Cse {
    async fn register_with(&self, registrar: &Registrar) -> Result<(), Failure> {
        let inner = &*self.inner;
        let own = format!("{}/{}", registrar.cse_id, inner.identity.cse);
        let wanted = self.own_remote_cse();
        match self.ask_registrar(registrar, Request::new(Operation::Retrieve, &own, "")).await {
            Ok(outcome) => {
                let current = outcome.content.as_ref().and_then(|content| content.get("m2m:csr"));
                let differs = |name: &str| {
                    let none = Value::Array(Vec::new());
                    let of = |map: Option<&Value>| map.cloned().unwrap_or_else(|| none.clone());
                    of(wanted.get(name)) != of(current.and_then(|current| current.get(name)))
                };
                let changed: Map<String, Value> = ["poa", "dcse", "srv"]
                    .into_iter()
                    .filter(|name| differs(name))
                    .filter_map(|name| Some((name.to_owned(), wanted.get(name)?.clone())))
                    .collect();
                if !changed.is_empty() {
                    let mut update = Request::new(Operation::Update, &own, "");
                    update.content = Some(json!({ "m2m:csr": changed }));
                    self.ask_registrar(registrar, update).await?;
                }
            }
            Err(failure) if matches!(failure.status, Status::NotFound | Status::OriginatorHasNoPrivilege) => {
                let base = format!("{}/{}", registrar.cse_id, registrar.cse_name);
                let create = Request::create(base, "", ty::CSR, json!({ "m2m:csr": wanted }));
                self.ask_registrar(registrar, create).await?;
            }
            Err(failure) => return Err(failure),
        }
        self.keep_registrar(registrar).await
    }

    /// What the registrar is to know of this CSE.
    fn own_remote_cse(&self) -> Map<String, Value> {
        let inner = &*self.inner;
        let identity = &inner.identity;
        let registrar = identity.registrar.as_deref();
        let descendants: Vec<Value> = {
            let tree = inner.tree.read();
            let mut known = Vec::new();
            for slot in tree.of_type(ty::CSR) {
                let attributes = &tree.at(slot).attributes;
                if attributes.text("csi") != registrar {
                    known.extend(attributes.text("csi").map(Value::from));
                    known.extend(attributes.texts("dcse").map(Value::from));
                }
            }
            known
        };
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("rn", json!(identity.cse));
        put("cst", json!(inner.options.cse_type));
        put("csi", json!(identity.cse_id()));
        put("cb", json!(identity.sp_relative(&identity.name)));
        put("rr", json!(!inner.options.points_of_access.is_empty()));
        put("poa", json!(inner.options.points_of_access));
        put("csz", json!(["application/json", "application/cbor"]));
        put("srv", json!(inner.options.releases()));
        put("dcse", json!(descendants));
        map
    }

    /// Keeps what is known of the registrar as a remoteCSE of this CSE.
    async fn keep_registrar(&self, registrar: &Registrar) -> Result<(), Failure> {
        let id = registrar.cse_id.trim_matches('/');
        let known = self.inner.tree.read().by_id(id).is_some();
        if known {
            return Ok(());
        }
        let base = format!("{}/{}", registrar.cse_id, registrar.cse_name);
        let outcome = self.ask_registrar(registrar, Request::new(Operation::Retrieve, &base, "")).await?;
        let shown = outcome.content.as_ref().and_then(|content| content.get("m2m:cb"));
        let mut content = Map::new();
        let mut put = |name: &str, value: Value| content.insert(name.to_owned(), value);
        for name in ["cst", "csz", "srv"] {
            if let Some(value) = shown.and_then(|shown| shown.get(name)) {
                put(name, value.clone());
            }
        }
        put("cb", json!(base));
        put("csi", json!(registrar.cse_id));
        put("rr", json!(true));
        put("poa", json!([registrar.point_of_access]));
        let request = Request::create(
            self.inner.identity.name.as_str(),
            registrar.cse_id.as_str(),
            ty::CSR,
            json!({ "m2m:csr": content }),
        );
        let Some(definition) = types::definition(ty::CSR) else { return Ok(()) };
        let mut draft = Some(Draft {
            definition,
            root: definition.root.into(),
            content,
            sequence: self.inner.next_sequence(),
            ri: id.to_owned(),
            creator: registrar.cse_id.clone(),
            named: false,
        });
        self.write(|transaction| {
            if let Some(draft) = draft.take()
                && transaction.tree.by_id(&draft.ri).is_none()
            {
                transaction.place(&request, draft, ROOT)?;
            }
            Ok(())
        })
        .await?;
        self.announce().await;
        Ok(())
    }

    async fn ask_registrar(&self, registrar: &Registrar, request: Request) -> Result<Outcome, Failure> {
        let mut request = request;
        request.from = Some(self.inner.identity.cse_id());
        request.id = Value::from(self.inner.next_request_id());
        request.release = Some("3".to_owned());
        let entity = registrar.cse_id.trim_matches('/');
        let points = [registrar.point_of_access.clone()];
        self.send_to_cse(entity, &points, &request, PATIENCE).await
    }
}

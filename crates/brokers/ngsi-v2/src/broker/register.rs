//! Registrations of a service.

use super::{Broker, Scope, scope::new_id, subscribe::is_listed};
use crate::{
    Error, ErrorKind, Json,
    model::{RecordRef, ServicePath, Time},
    registrations::Registration,
};

impl Broker {
    /// Registers a context provider and gives the registration's id.
    ///
    /// # Errors
    /// When the document is not a registration.
    pub async fn register(&self, scope: &Scope, document: Json) -> Result<Box<str>, Error> {
        let path = match scope.paths.as_slice() {
            [] => ServicePath::root(),
            [path] if path.is_pattern() => {
                return Err(Error::bad("service path with wildcard not allowed in registrations"));
            }
            [path] => path.clone(),
            _ => return Err(Error::bad("more than one service path in registration request")),
        };
        let id = new_id();
        let registration = Registration::parse(&id, document, path)?;
        self.write(scope, |write| {
            write.append(RecordRef::Registration(&registration.stored()))?;
            write.tenant.registrations.write().put(registration);
            Ok(())
        })
        .await?;
        Ok(id)
    }

    /// Ends a registration.
    ///
    /// # Errors
    /// When there is none with this id.
    pub async fn unregister(&self, scope: &Scope, id: &str) -> Result<(), Error> {
        self.write(scope, |write| {
            if write.tenant.registrations.read().get(id).is_none() {
                return Err(not_found());
            }
            write.append(RecordRef::NoRegistration(id))?;
            write.tenant.registrations.write().remove(id);
            Ok(())
        })
        .await
    }

    /// One registration as JSON.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn show_registration(&self, scope: &Scope, id: &str) -> Result<Vec<u8>, Error> {
        let tenant = self.inner.tenants.find(scope).ok_or_else(not_found)?;
        let registrations = tenant.registrations.read();
        let mut out = Vec::with_capacity(256);
        let found = registrations.get(id).filter(|registration| is_listed(scope, &registration.path));
        found.ok_or_else(not_found)?.write(Time::now(), &mut out);
        Ok(out)
    }

    /// A page of registrations as JSON, and how many there are on all pages.
    pub fn show_registrations(&self, scope: &Scope, offset: usize, limit: usize) -> (Vec<u8>, usize) {
        let Some(tenant) = self.inner.tenants.find(scope) else { return (b"[]".to_vec(), 0) };
        let mut out = vec![b'['];
        let mut total = 0;
        for registration in tenant.registrations.read().iter() {
            if !is_listed(scope, &registration.path) {
                continue;
            }
            if total >= offset && total - offset < limit {
                if out.len() > 1 {
                    out.push(b',');
                }
                registration.write(Time::now(), &mut out);
            }
            total += 1;
        }
        out.push(b']');
        (out, total)
    }
}

fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "The requested registration has not been found. Check id")
}

//! Deletes the entities that match a query, or attributes of them (NGSI-LD 5.6.21).

use super::{Broker, EntityQuery};
use crate::{
    Error,
    model::{Changes, Entity, Name},
};

/// How many entities are deleted under one lock: other writers wait no longer than that.
const STEP: usize = 256;

/// What a purge deletes of the entities it finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Purge {
    /// The entities.
    #[default]
    Entities,
    /// These attributes.
    Drop(Vec<Name>),
    /// All attributes but these.
    Keep(Vec<Name>),
}

impl Broker {
    /// Deletes what `query` finds.
    pub(crate) async fn purge(&self, query: &EntityQuery, purge: &Purge) -> Result<(), Error> {
        let found = self.query(query, 0, usize::MAX, false).entities;
        for entities in found.chunks(STEP) {
            self.write(|write| {
                for id in entities.iter().map(|entity| &entity.id) {
                    // Between the query and now, another may have changed or deleted it.
                    let Some(entity) = write.get(id).filter(|entity| query.matches(entity)) else { continue };
                    let goes = |name: &Name| match purge {
                        Purge::Entities => true,
                        Purge::Drop(names) => names.contains(name),
                        Purge::Keep(names) => !names.contains(name),
                    };
                    if *purge == Purge::Entities {
                        write.delete(id)?;
                        continue;
                    }
                    let mut left = Entity::clone(&entity);
                    left.attributes.retain(|attribute| !goes(&attribute.name));
                    if left.attributes.len() < entity.attributes.len() {
                        let mut deleted = Vec::new();
                        for attribute in entity.attributes.iter().filter(|attribute| goes(&attribute.name)) {
                            if !deleted.contains(&attribute.name) {
                                deleted.push(attribute.name.clone());
                            }
                        }
                        left.modified_at = write.now;
                        write.put(left, &Changes { deleted, ..Changes::default() })?;
                    }
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

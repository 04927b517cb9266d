//! The operations that a context source can be asked for, and their groups (NGSI-LD 4.20).

use crate::{Error, model::shorten};

/// An operation of the API by its name in registrations (NGSI-LD 4.20, table 4.20-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateEntity,
    UpdateEntity,
    AppendAttrs,
    UpdateAttrs,
    DeleteAttrs,
    DeleteEntity,
    PurgeEntity,
    CreateBatch,
    UpsertBatch,
    UpdateBatch,
    DeleteBatch,
    MergeEntity,
    ReplaceEntity,
    ReplaceAttrs,
    MergeBatch,
    UpsertTemporal,
    AppendAttrsTemporal,
    DeleteAttrsTemporal,
    UpdateAttrInstanceTemporal,
    DeleteAttrInstanceTemporal,
    DeleteTemporal,
    RetrieveEntity,
    QueryEntity,
    QueryBatch,
    RetrieveTemporal,
    QueryTemporal,
    QueryTemporalBatch,
    RetrieveEntityTypes,
    RetrieveEntityTypeDetails,
    RetrieveEntityTypeInfo,
    RetrieveAttrTypes,
    RetrieveAttrTypeDetails,
    RetrieveAttrTypeInfo,
    CreateSubscription,
    UpdateSubscription,
    RetrieveSubscription,
    QuerySubscription,
    DeleteSubscription,
    RetrieveEntityMap,
    UpdateEntityMap,
    DeleteEntityMap,
    CreateEntityMapQueryEntity,
    CreateEntityMapQueryTemporal,
    RetrieveContextSourceIdentity,
}

use Operation::*;

const NAMES: &[(&str, Operation)] = &[
    ("createEntity", CreateEntity),
    ("updateEntity", UpdateEntity),
    ("appendAttrs", AppendAttrs),
    ("updateAttrs", UpdateAttrs),
    ("deleteAttrs", DeleteAttrs),
    ("deleteEntity", DeleteEntity),
    ("purgeEntity", PurgeEntity),
    ("createBatch", CreateBatch),
    ("upsertBatch", UpsertBatch),
    ("updateBatch", UpdateBatch),
    ("deleteBatch", DeleteBatch),
    ("mergeEntity", MergeEntity),
    ("replaceEntity", ReplaceEntity),
    ("replaceAttrs", ReplaceAttrs),
    ("mergeBatch", MergeBatch),
    ("upsertTemporal", UpsertTemporal),
    ("appendAttrsTemporal", AppendAttrsTemporal),
    ("deleteAttrsTemporal", DeleteAttrsTemporal),
    ("updateAttrsTemporal", UpdateAttrInstanceTemporal),
    ("updateAttrInstanceTemporal", UpdateAttrInstanceTemporal),
    ("deleteAttrInstanceTemporal", DeleteAttrInstanceTemporal),
    ("deleteTemporal", DeleteTemporal),
    ("retrieveEntity", RetrieveEntity),
    ("queryEntity", QueryEntity),
    ("queryBatch", QueryBatch),
    ("retrieveTemporal", RetrieveTemporal),
    ("queryTemporal", QueryTemporal),
    ("queryTemporalBatch", QueryTemporalBatch),
    ("retrieveEntityTypes", RetrieveEntityTypes),
    ("retrieveEntityTypeDetails", RetrieveEntityTypeDetails),
    ("retrieveEntityTypeInfo", RetrieveEntityTypeInfo),
    ("retrieveAttrTypes", RetrieveAttrTypes),
    ("retrieveAttrTypeDetails", RetrieveAttrTypeDetails),
    ("retrieveAttrTypeInfo", RetrieveAttrTypeInfo),
    ("createSubscription", CreateSubscription),
    ("updateSubscription", UpdateSubscription),
    ("retrieveSubscription", RetrieveSubscription),
    ("querySubscription", QuerySubscription),
    ("deleteSubscription", DeleteSubscription),
    ("retrieveEntityMap", RetrieveEntityMap),
    ("updateEntityMap", UpdateEntityMap),
    ("deleteEntityMap", DeleteEntityMap),
    ("createEntityMapQueryEntity", CreateEntityMapQueryEntity),
    ("createEntityMapQueryTemporal", CreateEntityMapQueryTemporal),
    ("retrieveContextSourceIdentity", RetrieveContextSourceIdentity),
];

/// What sources that join a federation answer, with or without entity maps.
const ASSOCIATION: &[Operation] = &[
    RetrieveEntity,
    QueryEntity,
    QueryBatch,
    RetrieveEntityTypes,
    RetrieveEntityTypeDetails,
    RetrieveEntityTypeInfo,
    RetrieveAttrTypes,
    RetrieveAttrTypeDetails,
    RetrieveAttrTypeInfo,
    CreateSubscription,
    UpdateSubscription,
    RetrieveSubscription,
    QuerySubscription,
    DeleteSubscription,
];

const FEDERATION: &[Operation] = &[
    RetrieveEntityMap,
    UpdateEntityMap,
    DeleteEntityMap,
    CreateEntityMapQueryEntity,
    RetrieveContextSourceIdentity,
];

const UPDATE: &[Operation] = &[UpdateEntity, UpdateAttrs, ReplaceEntity, ReplaceAttrs];

const RETRIEVE: &[Operation] = &[RetrieveEntity, QueryEntity];

const REDIRECTION: &[Operation] = &[
    CreateEntity,
    UpdateEntity,
    AppendAttrs,
    UpdateAttrs,
    DeleteAttrs,
    DeleteEntity,
    PurgeEntity,
    MergeEntity,
    ReplaceEntity,
    ReplaceAttrs,
    RetrieveEntity,
    QueryEntity,
];

/// A set of operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Operations(u64);

impl Operations {
    /// What a registration that names none allows (NGSI-LD 5.2.9).
    pub(crate) fn federation() -> Self {
        Self::of(ASSOCIATION).and(FEDERATION)
    }

    fn of(operations: &[Operation]) -> Self {
        Self::default().and(operations)
    }

    fn and(self, operations: &[Operation]) -> Self {
        Self(operations.iter().fold(self.0, |bits, operation| bits | 1 << *operation as u64))
    }

    /// The operations with these names, each that of an operation or of a group (NGSI-LD 4.20, table 4.20-2).
    pub(crate) fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        names.into_iter().try_fold(Self::default(), |known, name| {
            Ok(match name {
                "federationOps" => known.and(ASSOCIATION).and(FEDERATION),
                "associationOps" => known.and(ASSOCIATION),
                "updateOps" => known.and(UPDATE),
                "retrieveOps" => known.and(RETRIEVE),
                "redirectionOps" => known.and(REDIRECTION),
                name => match NAMES.iter().find(|(known, _)| *known == name) {
                    Some((_, operation)) => known.and(&[*operation]),
                    None => {
                        let detail = format!("operations: \"{}\" is no operation or group", shorten(name));
                        return Err(Error::bad(detail));
                    }
                },
            })
        })
    }

    pub(crate) fn allow(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u64 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_for_their_operations() {
        let redirection = Operations::parse(["redirectionOps"]).unwrap();
        assert!(redirection.allow(CreateEntity) && redirection.allow(QueryEntity));
        assert!(!redirection.allow(CreateBatch) && !redirection.allow(CreateSubscription));
        let federation = Operations::federation();
        assert!(federation.allow(QueryBatch) && federation.allow(CreateSubscription));
        assert!(!federation.allow(CreateEntity));
        assert!(Operations::parse(["updateOps", "mergeBatch"]).unwrap().allow(MergeBatch));
        assert!(Operations::parse(["everything"]).is_err());
    }

    #[test]
    fn every_operation_has_a_bit_of_its_own() {
        assert!((RetrieveContextSourceIdentity as u64) < 64);
        for (name, operation) in NAMES {
            let one = Operations::parse([*name]).unwrap();
            assert!(one.allow(*operation) && one.0.count_ones() == 1, "{name}");
        }
    }
}

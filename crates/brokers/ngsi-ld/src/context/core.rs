//! The terms of the NGSI-LD core @context (NGSI-LD annex B), version 1.9; it only grows from version to version.

use std::sync::LazyLock;

use hashbrown::HashMap;

/// The core @context that the broker names in its answers.
pub const CORE_CONTEXT_URL: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld";

/// Where names without a definition go (NGSI-LD 5.5.7).
pub(super) const DEFAULT_VOCABULARY: &str = "https://uri.etsi.org/ngsi-ld/default-context/";

const NGSI_LD: &str = "https://uri.etsi.org/ngsi-ld/";

/// Terms whose IRI is the NGSI-LD namespace and the term itself.
#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "Attribute", "AttributeList", "ContextSourceIdentity", "ContextSourceNotification",
    "ContextSourceRegistration", "Date", "DateTime", "EntityType", "EntityTypeInfo", "EntityTypeList",
    "GeoProperty", "JsonProperty", "LanguageProperty", "ListProperty", "ListRelationship", "Notification",
    "Property", "Relationship", "Subscription", "TemporalProperty", "Time", "VocabProperty", "accept",
    "attributeCount", "attributeDetails", "attributeList", "attributeName", "attributeNames",
    "attributeTypes", "attributes", "attrs", "avg", "cacheDuration", "contextSourceAlias",
    "contextSourceExtras", "contextSourceInfo", "contextSourceTimeAt", "contextSourceUptime", "cooldown",
    "createdAt", "csf", "data", "datasetId", "deletedAt", "detail", "distinctCount", "endAt", "endTimeAt",
    "endpoint", "entities", "entity", "entityCount", "entityId", "entityList", "error", "errors",
    "expandValues", "expiresAt", "format", "geoQ", "geoproperty", "georel", "idPattern", "information",
    "instanceId", "isActive", "join", "jsonKeys", "jsons", "lang", "lastFailure", "lastNotification",
    "lastSuccess", "linkedMaps", "localOnly", "location", "management", "managementInterval", "max", "min",
    "mode", "modifiedAt", "notUpdated", "notification", "notificationTrigger", "notifiedAt",
    "notifierInfo", "observationInterval", "observationSpace", "observedAt", "omit", "operationSpace",
    "operations", "pick", "propertyNames", "q", "reason", "receiverInfo", "refreshRate", "registrationId",
    "registrationName", "relationshipNames", "scope", "scopeQ", "showChanges", "startAt", "status",
    "stddev", "subscriptionId", "subscriptionName", "success", "sum", "sumsq", "sysAttrs", "temporalQ",
    "tenant", "throttling", "timeAt", "timeInterval", "timeout", "timeproperty", "timerel", "timesFailed",
    "timesSent", "totalCount", "triggerReason", "typeList", "typeName", "typeNames", "unchanged",
    "unitCode", "updated", "uri", "watchedAttributes",
];

/// Terms whose IRI is something else.
const OTHER: &[(&str, &str)] = &[
    ("geojson", "https://purl.org/geojson/vocab#"),
    ("ngsi-ld", NGSI_LD),
    ("Feature", "https://purl.org/geojson/vocab#Feature"),
    ("FeatureCollection", "https://purl.org/geojson/vocab#FeatureCollection"),
    ("GeometryCollection", "https://purl.org/geojson/vocab#GeometryCollection"),
    ("LineString", "https://purl.org/geojson/vocab#LineString"),
    ("MultiLineString", "https://purl.org/geojson/vocab#MultiLineString"),
    ("MultiPoint", "https://purl.org/geojson/vocab#MultiPoint"),
    ("MultiPolygon", "https://purl.org/geojson/vocab#MultiPolygon"),
    ("Point", "https://purl.org/geojson/vocab#Point"),
    ("Polygon", "https://purl.org/geojson/vocab#Polygon"),
    ("bbox", "https://purl.org/geojson/vocab#bbox"),
    ("containedBy", "https://uri.etsi.org/ngsi-ld/isContainedBy"),
    ("coordinates", "https://purl.org/geojson/vocab#coordinates"),
    ("dataset", "https://uri.etsi.org/ngsi-ld/hasDataset"),
    ("description", "http://purl.org/dc/terms/description"),
    ("entityMap", "https://uri.etsi.org/ngsi-ld/hasEntityMap"),
    ("features", "https://purl.org/geojson/vocab#features"),
    ("geometry", "https://purl.org/geojson/vocab#geometry"),
    ("geometryProperty", "https://purl.org/geojson/vocab#geometryProperty"),
    ("joinLevel", "https://uri.etsi.org/ngsi-ld/hasJoinLevel"),
    ("json", "https://uri.etsi.org/ngsi-ld/hasJSON"),
    ("key", "https://uri.etsi.org/ngsi-ld/hasKey"),
    ("languageMap", "https://uri.etsi.org/ngsi-ld/hasLanguageMap"),
    ("languageMaps", "https://uri.etsi.org/ngsi-ld/hasLanguageMaps"),
    ("object", "https://uri.etsi.org/ngsi-ld/hasObject"),
    ("objectList", "https://uri.etsi.org/ngsi-ld/hasObjectList"),
    ("objectType", "https://uri.etsi.org/ngsi-ld/hasObjectType"),
    ("objects", "https://uri.etsi.org/ngsi-ld/hasObjects"),
    ("objectsLists", "https://uri.etsi.org/ngsi-ld/hasObjectsLists"),
    ("previousJson", "https://uri.etsi.org/ngsi-ld/hasPreviousJson"),
    ("previousLanguageMap", "https://uri.etsi.org/ngsi-ld/hasPreviousLanguageMap"),
    ("previousObject", "https://uri.etsi.org/ngsi-ld/hasPreviousObject"),
    ("previousObjectList", "https://uri.etsi.org/ngsi-ld/hasPreviousObjectList"),
    ("previousValue", "https://uri.etsi.org/ngsi-ld/hasPreviousValue"),
    ("previousValueList", "https://uri.etsi.org/ngsi-ld/hasPreviousValueList"),
    ("previousVocab", "https://uri.etsi.org/ngsi-ld/hasPreviousVocab"),
    ("properties", "https://purl.org/geojson/vocab#properties"),
    ("title", "http://purl.org/dc/terms/title"),
    ("value", "https://uri.etsi.org/ngsi-ld/hasValue"),
    ("valueList", "https://uri.etsi.org/ngsi-ld/hasValueList"),
    ("valueLists", "https://uri.etsi.org/ngsi-ld/hasValueLists"),
    ("values", "https://uri.etsi.org/ngsi-ld/hasValues"),
    ("vocab", "https://uri.etsi.org/ngsi-ld/hasVocab"),
    ("vocabs", "https://uri.etsi.org/ngsi-ld/hasVocabs"),
];

static TERMS: LazyLock<HashMap<&'static str, Box<str>>> = LazyLock::new(|| {
    let plain = PLAIN.iter().map(|term| (*term, format!("{NGSI_LD}{term}").into()));
    plain.chain(OTHER.iter().map(|(term, iri)| (*term, (*iri).into()))).collect()
});

static IRIS: LazyLock<HashMap<&'static str, &'static str>> =
    LazyLock::new(|| TERMS.iter().map(|(term, iri)| (&**iri, *term)).collect());

/// The IRI of a core term.
pub(super) fn iri(term: &str) -> Option<&'static str> {
    TERMS.get(term).map(|iri| &**iri)
}

/// The core term of an IRI.
pub(super) fn term(iri: &str) -> Option<&'static str> {
    IRIS.get(iri).copied()
}

/// The IRI with a prefix of the core @context, when one of them is its beginning.
pub(super) fn prefixed(iri: &str) -> Option<String> {
    let (prefix, rest) = iri.strip_prefix(NGSI_LD).map(|rest| ("ngsi-ld", rest)).or_else(|| {
        let (_, start) = OTHER.first()?;
        iri.strip_prefix(start).map(|rest| ("geojson", rest))
    })?;
    (!rest.is_empty() && !rest.starts_with("//")).then(|| format!("{prefix}:{rest}"))
}

/// Whether `url` is a core @context of any version, which is built in and never fetched.
pub(crate) fn is_core_url(url: &str) -> bool {
    core_version(url).is_some()
}

/// Which of [`CORE_VERSIONS`] a URL names.
pub(super) fn core_version(url: &str) -> Option<usize> {
    let path = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let version = path.strip_prefix(CORE_PATH)?.strip_suffix(".jsonld")?;
    CORE_VERSIONS.iter().position(|known| *known == version)
}

/// The URL of one of [`CORE_VERSIONS`].
pub(super) fn core_url(version: &str) -> String {
    format!("https://{CORE_PATH}{version}.jsonld")
}

const CORE_PATH: &str = "uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context";

/// What the URLs of core @contexts end with: the first one had no version, and 1.3 was the first that had one. What one
/// version defines, the next ones do too.
pub(super) const CORE_VERSIONS: [&str; 8] =
    ["", "-v1.3", "-v1.4", "-v1.5", "-v1.6", "-v1.7", "-v1.8", "-v1.9"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_terms_expand_and_compact() {
        assert_eq!(iri("location"), Some("https://uri.etsi.org/ngsi-ld/location"));
        assert_eq!(iri("description"), Some("http://purl.org/dc/terms/description"));
        assert_eq!(term("https://uri.etsi.org/ngsi-ld/hasValue"), Some("value"));
        assert_eq!(iri("speed"), None);
        assert_eq!(
            prefixed("https://uri.etsi.org/ngsi-ld/default-context/x").as_deref(),
            Some("ngsi-ld:default-context/x")
        );
        assert_eq!(prefixed("https://purl.org/geojson/vocab#x").as_deref(), Some("geojson:x"));
        assert_eq!(prefixed("https://example.org/x"), None);
    }

    #[test]
    fn core_urls_of_every_version_are_known() {
        assert!(is_core_url("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"));
        for minor in 3..=9 {
            let url = format!("uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.{minor}.jsonld");
            assert!(is_core_url(&format!("https://{url}")) && is_core_url(&format!("http://{url}")), "{url}");
        }
        assert!(CORE_VERSIONS.iter().all(|version| is_core_url(&core_url(version))));
        assert_eq!(core_url("-v1.9"), CORE_CONTEXT_URL);
        assert!(!is_core_url("https://example.org/context.jsonld"));
        assert!(!is_core_url("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v9.9.jsonld"));
    }
}

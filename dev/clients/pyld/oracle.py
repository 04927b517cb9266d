"""Compares how a broker expands and compacts entities with PyLD, a full JSON-LD processor: their names, and the whole
document that they stand for.

usage: oracle.py BROKER FOLDER
BROKER is http://host:port, FOLDER may have the examples and @contexts of Smart Data Models; without it only the cases of
this file are compared. Whatever differs ends it with status 1.
"""

import json
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from pyld import jsonld

NGSI_LD = "https://uri.etsi.org/ngsi-ld/"
CORE_URL = NGSI_LD + "v1/ngsi-ld-core-context-v1.9.jsonld"
LINK = '<{}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
# Terms of the core @context that the cases have as attributes; its others are members of attributes.
CORE_ATTRIBUTES = ["location", "observationSpace", "operationSpace", "status", "title"]
KINDS = [
    "Property", "Relationship", "GeoProperty", "LanguageProperty", "JsonProperty", "VocabProperty", "ListProperty",
    "ListRelationship",
]
GEOMETRIES = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]
TIMES = {name: {"@id": NGSI_LD + name, "@type": NGSI_LD + "DateTime"} for name in ("observedAt", "createdAt", "modifiedAt")}
# What the cases need of the core @context (NGSI-LD, annex B).
CORE = {
    "@version": 1.1,
    "ngsi-ld": NGSI_LD,
    "id": "@id",
    "type": "@type",
    "value": NGSI_LD + "hasValue",
    "object": {"@id": NGSI_LD + "hasObject", "@type": "@id"},
    "languageMap": {"@id": NGSI_LD + "hasLanguageMap", "@container": "@language"},
    "json": {"@id": NGSI_LD + "hasJSON", "@type": "@json"},
    "vocab": {"@id": NGSI_LD + "hasVocab", "@type": "@vocab"},
    "valueList": {"@id": NGSI_LD + "hasValueList", "@container": "@list"},
    "objectList": {"@id": NGSI_LD + "hasObjectList", "@container": "@list"},
    "datasetId": {"@id": NGSI_LD + "datasetId", "@type": "@id"},
    "coordinates": {"@id": "https://purl.org/geojson/vocab#coordinates", "@container": "@list"},
    "unitCode": NGSI_LD + "unitCode",
    "scope": NGSI_LD + "scope",
    "description": "http://purl.org/dc/terms/description",
    **{name: NGSI_LD + name for name in CORE_ATTRIBUTES},
    **{kind: NGSI_LD + kind for kind in KINDS},
    **{geometry: "https://purl.org/geojson/vocab#" + geometry for geometry in GEOMETRIES},
    **TIMES,
    "@vocab": NGSI_LD + "default-context/",
}

PLAIN = {"type": "Property", "value": 1}
CASES = {
    "a term": ({"Room": "https://x.org/Room", "warm": "https://x.org/warm"}, {"type": "Room", "warm": PLAIN}),
    "no term at all": ({}, {"type": "Room", "warm": PLAIN}),
    "a prefix": ({"x": "https://x.org/", "warm": "x:warm"}, {"type": "x:Room", "warm": PLAIN, "x:cold": PLAIN}),
    "a definition that is an object": ({"warm": {"@id": "https://x.org/warm"}}, {"type": "T", "warm": PLAIN}),
    "a term over a term": ({"a": "b", "b": "https://x.org/b"}, {"type": "a", "a": PLAIN}),
    "a prefix over a prefix": ({"x": "https://x.org/", "y": "x:y#", "warm": "y:warm"}, {"type": "T", "warm": PLAIN}),
    "an IRI": ({"warm": "https://x.org/warm"}, {"type": "https://x.org/T", "https://x.org/warm": PLAIN}),
    "a term of the core": ({"location": "https://x.org/location"}, {
        "type": "T",
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
    }),
    "a core term as a name": ({}, {"type": "T", "title": PLAIN, "description": PLAIN}),
    "two types": ({"A": "https://x.org/A"}, {"type": ["A", "B"], "c": PLAIN}),
    "attributes of attributes": ({"a": "https://x.org/a", "b": "https://x.org/b"}, {
        "type": "T",
        "a": {**PLAIN, "b": {**PLAIN, "a": {**PLAIN, "c": PLAIN}}, "observedAt": "2026-01-01T00:00:00Z"},
    }),
    "several instances": ({"a": "https://x.org/a"}, {"type": "T", "a": [PLAIN, {**PLAIN, "datasetId": "urn:d:1"}]}),
    "other kinds": ({"r": "https://x.org/r", "l": "https://x.org/l", "j": "https://x.org/j"}, {
        "type": "T",
        "r": {"type": "Relationship", "object": "urn:x:2"},
        "l": {"type": "LanguageProperty", "languageMap": {"en": "a", "fr": "b"}},
        "j": {"type": "JsonProperty", "json": {"r": 1}},
    }),
    "words of a vocabulary": ({"v": "https://x.org/v", "red": "https://x.org/red"}, {
        "type": "T",
        "v": {"type": "VocabProperty", "vocab": ["red", "green", "https://x.org/blue"]},
    }),
    "lists": ({"l": "https://x.org/l", "r": "https://x.org/r"}, {
        "type": "T",
        "l": {"type": "ListProperty", "valueList": [3, 1, 2, "x", True]},
        "r": {"type": "ListRelationship", "objectList": [{"object": "urn:x:2"}, {"object": "urn:x:1"}]},
    }),
    "values of all forms": ({"a": "https://x.org/a", "inner": "https://x.org/inner"}, {
        "type": "T",
        "a": {"type": "Property", "value": {"inner": [1, {"a": None}], "b": 1.5}, "unitCode": "CEL"},
        "b": {"type": "Property", "value": ["x", "y", 3, False], "observedAt": "2026-01-01T00:00:00Z"},
        "c": {"type": "Property", "value": 12345678901, "datasetId": "urn:d:1"},
        "e": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-01-01T00:00:00Z"}},
    }),
    "scopes": ({"a": "https://x.org/a"}, {"type": "T", "scope": ["/x/y", "/z"], "a": PLAIN}),
    "relationships of several and of one another": ({"r": "https://x.org/r", "of": "https://x.org/of"}, {
        "type": "T",
        "r": {"type": "Relationship", "object": ["urn:x:2", "urn:x:3"], "of": {"type": "Relationship", "object": "urn:x:4"}},
    }),
    "two terms of an IRI": ({"long": "https://x.org/a", "ab": "https://x.org/a"}, {"type": "T", "long": PLAIN}),
    "a later definition wins": ([{"a": "https://x.org/1"}, {"a": "https://x.org/2"}], {"type": "T", "a": PLAIN}),
    "a term that is taken back": ([{"a": "https://x.org/1"}, {"a": None}], {"type": "T", "b": PLAIN}),
    "a context that begins anew": ([{"a": "https://x.org/1"}, None, {"b": "https://x.org/2"}], {"type": "T", "a": PLAIN, "b": PLAIN}),
    "a name with other letters": ({"größe": "https://x.org/größe"}, {"type": "T", "größe": PLAIN}),
}


def loader(url, options=None):
    if url != CORE_URL:
        raise jsonld.JsonLdError(f"{url} is not asked for here", "oracle")
    return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": {"@context": CORE}}


jsonld.set_document_loader(loader)


def lists(value):
    return value if isinstance(value, list) else [value]


def tree(node, keep):
    """The names of attributes and of theirs, however many instances they have; what is no attribute is left out."""
    found = {}
    for name, value in node.items():
        if not keep(name):
            continue
        inner = found.setdefault(name, {})
        for instance in (one for one in lists(value) if isinstance(one, dict)):
            for sub, names in tree(instance, keep).items():
                inner.setdefault(sub, {}).update(names)
    return found


def is_attribute(iri):
    members = iri.startswith(NGSI_LD) and not iri.startswith(NGSI_LD + "default-context/")
    attributes = [NGSI_LD + name for name in CORE_ATTRIBUTES]
    return not iri.startswith("@") and (not members or iri in attributes)


def facts_of_expanded(node):
    return sorted(node["@type"]), tree(node, is_attribute)


def facts_of_compacted(entity):
    members = set(CORE) - set(CORE_ATTRIBUTES) - {"description"}
    return sorted(lists(entity["type"])), tree(entity, lambda name: name not in members and not name.startswith("@"))


def opaque(node):
    """The same with values that are JSON and no JSON-LD marked so: NGSI-LD expands no names in them (5.5.7)."""
    if isinstance(node, list):
        return [opaque(one) for one in node]
    if not isinstance(node, dict):
        return node
    marked = {}
    for name, value in node.items():
        is_json = name == "value" and node.get("type") != "GeoProperty" and isinstance(value, (dict, list))
        if name == "@context" or node.get("type") == "GeoProperty" and name == "value":
            marked[name] = value
        elif is_json:
            marked[name] = {"@type": "@json", "@value": value}
        else:
            marked[name] = opaque(value)
    return marked


def in_order(node, ordered=False):
    """A document whose sets have an order, so that two can be compared."""
    if isinstance(node, dict):
        if node.get("@type") == "@json":
            return node
        return {name: in_order(value, name == "@list") for name, value in sorted(node.items())}
    if isinstance(node, list):
        members = [in_order(one) for one in node]
        return members if ordered else sorted(members, key=lambda one: json.dumps(one, sort_keys=True))
    return node


def document(context, entity):
    """The whole document that an entity stands for: kinds, values, times and all."""
    return in_order(jsonld.expand({**opaque(entity), "@context": context})[0])


class Broker:
    def __init__(self, base):
        self.root = base + "/ngsi-ld/v1"

    def ask(self, method, path, body=None, headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.root + path, data, headers or {}, method=method)
        try:
            with urlopen(request) as answer:
                text = answer.read()
                return json.loads(text) if text else None, answer.headers
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}\n{body}") from error

    def host(self, context):
        """Has the broker serve a context, so that nobody needs to fetch it."""
        _, headers = self.ask("POST", "/jsonldContexts", {"@context": context}, {"Content-Type": "application/json"})
        name = headers["Location"].rsplit("/", 1)[-1]
        return f"{self.root}/jsonldContexts/{name}"


def compare(broker, name, context, entity):
    """Both see the same names and the same document; gives what differs."""
    # Not every id of the examples is a URI.
    entity = {**entity, "id": "urn:ngsi-ld:case:" + quote(name, safe="")}
    entity.pop("@context", None)
    whole = lists(context) + [CORE_URL]
    expanded = jsonld.expand({"@context": whole, **entity})[0]
    body = {"@context": whole, **entity}
    broker.ask("POST", "/entities", body, {"Content-Type": "application/ld+json"})
    path = "/entities/" + quote(entity["id"], safe="")
    # In the core @context every name that it does not know is written out.
    in_core, _ = broker.ask("GET", path)
    seen = jsonld.expand({"@context": CORE_URL, **in_core})[0]
    compacted, _ = broker.ask("GET", path, None, {"Link": LINK.format(broker.host(context))})
    broker.ask("DELETE", path)
    pairs = [
        ("expansion", facts_of_expanded(expanded), facts_of_expanded(seen)),
        ("compaction", facts_of_compacted(jsonld.compact(expanded, whole)), facts_of_compacted(compacted)),
        ("document in the core @context", document(whole, entity), document(CORE_URL, in_core)),
        ("document in its own @context", document(whole, entity), document(whole, compacted)),
    ]
    return [f"{name}: {what}: PyLD {theirs}, the broker {ours}" for what, theirs, ours in pairs if theirs != ours]


def examples(folder):
    """Normalized examples with the context of their subject, which each file names by its URL."""
    contexts = {path.name.split(".")[0]: json.loads(path.read_text())["@context"] for path in folder.glob("*.context.jsonld")}
    for path in sorted(folder.glob("*.example-normalized.jsonld")):
        entity = json.loads(path.read_text())
        subject = next(url for url in lists(entity["@context"]) if "dataModel." in url).split("dataModel.")[1].split("/")[0]
        # One calls its location a Property, which it must not be (4.7).
        if entity.get("location", {}).get("type") == "Property":
            entity["location"]["type"] = "GeoProperty"
        if subject in contexts:
            yield path.name, contexts[subject], entity
        else:
            print(f"{path.name}: there is no context of {subject}")


def main(base, folder):
    broker, different, count = Broker(base), [], 0
    if not folder.is_dir():
        print(f"there are no examples in {folder}: only own cases are compared")
    cases = [(name, *case) for name, case in CASES.items()]
    for name, context, entity in cases + list(examples(folder)):
        different += compare(broker, name, context, entity)
        count += 1
    if different:
        sys.exit("\n".join(different))
    print(f"compared {count}\ndone")


main(sys.argv[1], Path(sys.argv[2]))

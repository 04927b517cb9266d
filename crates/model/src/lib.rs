//! The words of Morgana: ids, entities, resources, topics and messages; no I/O.

//! The examples of Smart Data Models, as an oracle: of each model there is one entity in NGSIv2 and one in NGSI-LD.
//! They are not part of the repository; without them these tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use morgana_model::Entity;
use morgana_translate::{LossKind, ngsi_v2, onem2m};
use serde_json::{Map, Value};

fn examples() -> Vec<(String, Map<String, Value>, Entity)> {
    let folder =
        std::env::var_os("MORGANA_SHARED").map_or_else(|| PathBuf::from("/work/shared"), PathBuf::from);
    let folder = folder.join("data/smart-data-models");
    let Ok(files) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no Smart Data Models examples in {} (set MORGANA_SHARED)", folder.display());
        return Vec::new();
    };
    let mut examples = Vec::new();
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(model) = name.strip_suffix(".example-normalized.json") else { continue };
        let ld = format!("{model}.example-normalized.jsonld");
        examples.push((model.to_owned(), read(&folder, &name), read(&folder, &ld).try_into().unwrap()));
    }
    assert!(examples.len() >= 10, "the folder has examples");
    examples
}

fn read(folder: &Path, name: &str) -> Map<String, Value> {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn the_ngsi_ld_example_comes_back_from_both_models() {
    for (model, _, entity) in examples() {
        let out = ngsi_v2::to_ngsi_v2(&entity).unwrap();
        let back = ngsi_v2::from_ngsi_v2(&out.entity).unwrap();
        for (name, attribute) in entity.members() {
            let listed = name == "id"
                || out
                    .losses
                    .iter()
                    .any(|loss| loss.place == *name || loss.place.starts_with(&format!("{name}.")));
            assert!(
                back.get(name) == Some(attribute) || listed,
                "{model} {name}: {attribute}\n{:?}",
                back.get(name)
            );
        }
        let out = onem2m::to_onem2m(&entity).unwrap();
        let back = onem2m::from_onem2m(&out.name, &out.labels, &out.containers, &[]).unwrap();
        let lost: Vec<_> = out.losses.iter().map(|loss| loss.kind).collect();
        assert!(
            lost.iter().all(|kind| matches!(kind, LossKind::Context | LossKind::Id)),
            "{model}: {:?}",
            out.losses
        );
        for (name, attribute) in
            entity.members().iter().filter(|(name, _)| *name != "@context" && *name != "id")
        {
            assert_eq!(back.get(name), Some(attribute), "{model} {name}");
        }
    }
}

/// Where the two examples of a model have the same attribute with the same value, the translation of one is the other.
#[test]
fn the_two_examples_of_a_model_are_translations_of_each_other() {
    let mut same = BTreeMap::new();
    let mut different = Vec::new();
    for (model, v2, ld) in examples() {
        let out = ngsi_v2::to_ngsi_v2(&ld).unwrap().entity;
        let back = ngsi_v2::from_ngsi_v2(&v2).unwrap();
        for (name, attribute) in &v2 {
            let (Some(theirs), Some(mine)) =
                (attribute.get("value"), out.get(name).and_then(|mine| mine.get("value")))
            else {
                continue;
            };
            if theirs != mine {
                continue;
            }
            *same.entry(model.clone()).or_insert(0) += 1;
            // The way back has no `@context` and no sub-attributes to compare.
            let (theirs, mine) = (ld.get(name).unwrap(), back.get(name).unwrap());
            let member = |of: &Value| ["value", "object"].iter().find_map(|member| of.get(member).cloned());
            if member(theirs) != member(mine) || theirs["type"] != mine["type"] {
                different.push(format!("{model} {name}: {theirs} {mine}"));
            }
        }
    }
    // Here the NGSI-LD examples are not what their models say: a date, a place and a relationship without their kinds.
    const ODD: [&str; 4] = [
        "OffStreetParking occupancyModified:",
        "DeviceMeasurement location:",
        "DeviceMeasurement refDevice:",
        "DeviceMeasurement dateObserved:",
    ];
    different.retain(|line: &String| !ODD.iter().any(|odd| line.starts_with(odd)));
    if !same.is_empty() {
        assert!(same.values().sum::<i32>() > 100, "{same:?}");
        assert!(different.is_empty(), "{}", different.join("\n"));
    }
}

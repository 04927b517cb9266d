//! Tables: what goes in comes out, from any key on and in both directions, and damage is named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path};

use morgana_journal::{Group, Table, TableError, TableWriter};
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

fn write(path: &Path, model: &Model) -> Table {
    let mut writer = TableWriter::create(path).unwrap();
    for (key, values) in model {
        for value in values {
            writer.push(key, value).unwrap();
        }
    }
    writer.finish(b"a note").unwrap()
}

fn groups(table: &Table, after: Option<&[u8]>, backwards: bool) -> Vec<Group> {
    let mut cursor = table.cursor(after, backwards).unwrap();
    let mut all = Vec::new();
    while let Some(group) = table.next(&mut cursor).unwrap() {
        all.push(group);
    }
    assert!(table.next(&mut cursor).unwrap().is_none());
    all
}

fn expected<'a>(entries: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<Vec<u8>>)>) -> Vec<Group> {
    let boxed = |bytes: &Vec<u8>| bytes.clone().into_boxed_slice();
    entries.map(|(key, values)| (boxed(key), values.iter().map(boxed).collect())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(
        // Large values, so that there are several blocks and keys that go over their borders.
        model in prop::collection::btree_map(
            prop::collection::vec(0..4_u8, 0..4),
            prop::collection::vec((0..40_000_usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]), 1..5),
            0..20,
        ),
        asked in prop::collection::vec(prop::collection::vec(0..4_u8, 0..4), 1..8),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        write(&path, &model);
        let table = Table::open(&path).unwrap();
        prop_assert_eq!(table.note(), b"a note");
        prop_assert_eq!(table.size(), fs::metadata(&path).unwrap().len());
        prop_assert!(groups(&table, None, false) == expected(model.iter()));
        prop_assert!(groups(&table, None, true) == expected(model.iter().rev()));
        for key in asked.iter().chain(model.keys()) {
            let found: Vec<Vec<u8>> = table.get(key).unwrap().into_iter().map(Vec::from).collect();
            prop_assert!(found == model.get(key).cloned().unwrap_or_default());
            prop_assert!(groups(&table, Some(key), false) == expected(model.iter().filter(|(known, _)| *known > key)));
            prop_assert!(groups(&table, Some(key), true) == expected(model.iter().rev().filter(|(known, _)| *known < key)));
        }
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    let model = Model::from([
        (b"a".to_vec(), vec![b"one".to_vec(), b"two".to_vec()]),
        (b"b".to_vec(), vec![vec![7; 40]]),
    ]);
    write(&path, &model);
    let whole = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| -> Result<(), TableError> {
        fs::write(&path, bytes).unwrap();
        let table = Table::open(&path)?;
        table.get(b"a")?;
        table.get(b"b").map(drop)
    };
    read(&whole).unwrap();
    for cut in 0..whole.len() {
        assert!(matches!(read(&whole[..cut]), Err(TableError::Corrupt { .. })), "cut at {cut}");
    }
    for at in 0..whole.len() {
        // What a frame says of how much was synced means nothing in a table, but is under its checksum.
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let error = read(&damaged).unwrap_err().to_string();
        assert!(error.contains("is corrupt at offset"), "byte {at}: {error}");
    }
}

#[test]
fn a_table_has_its_name_only_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table");
    let mut writer = TableWriter::create(&path).unwrap();
    writer.push(b"b", b"1").unwrap();
    assert!(matches!(writer.push(b"a", b"2"), Err(TableError::Order { .. })));
    assert!(!path.exists());
    drop(writer);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let table = TableWriter::create(&path).unwrap().finish(b"").unwrap();
    assert!(table.get(b"a").unwrap().is_empty());
    table.remove().unwrap();
    assert!(matches!(Table::open(&path), Err(TableError::Io { .. })));
}

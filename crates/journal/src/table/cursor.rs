use std::collections::VecDeque;

use super::{Record, Table};
use crate::TableError;

/// A key with its values, in the order they were written.
pub type Group = (Box<[u8]>, Vec<Box<[u8]>>);

/// Where a cursor is in a table. It does not hold the table, so that its owner may hold both.
#[derive(Debug)]
pub struct Cursor {
    /// The next block to read; none left when it is beyond either end.
    next: Option<usize>,
    /// Records of the block that are still to come.
    records: VecDeque<Record>,
    backwards: bool,
}

impl Table {
    /// A cursor at the first key after `after`, or at the first of all; with `backwards` at the last one before it.
    ///
    /// # Errors
    /// When the disk refuses or a block is damaged.
    pub fn cursor(&self, after: Option<&[u8]>, backwards: bool) -> Result<Cursor, TableError> {
        let blocks = self.places.len();
        let next = match (after, backwards) {
            (None, false) => Some(0),
            (None, true) => blocks.checked_sub(1),
            // Keys after it may begin in the last block that starts with it or before it.
            (Some(key), false) => {
                Some(self.places.partition_point(|place| *place.first <= *key).saturating_sub(1))
            }
            (Some(key), true) => self.places.partition_point(|place| *place.first < *key).checked_sub(1),
        };
        let mut cursor = Cursor { next, records: VecDeque::new(), backwards };
        if let Some(key) = after {
            self.fill(&mut cursor)?;
            let is_over = |known: &[u8]| if backwards { known >= key } else { known <= key };
            loop {
                let first = if backwards { cursor.records.back() } else { cursor.records.front() };
                let Some((known, _)) = first else { break };
                if !is_over(known) {
                    break;
                }
                if backwards {
                    cursor.records.pop_back()
                } else {
                    cursor.records.pop_front()
                };
                if cursor.records.is_empty() && !self.fill(&mut cursor)? {
                    break;
                }
            }
        }
        Ok(cursor)
    }

    /// Reads the cursor's next block; false when there is none.
    fn fill(&self, cursor: &mut Cursor) -> Result<bool, TableError> {
        let Some(place) = cursor.next.filter(|place| *place < self.places.len()) else { return Ok(false) };
        let records = self.records(place)?;
        cursor.next = if cursor.backwards { place.checked_sub(1) } else { Some(place + 1) };
        if cursor.backwards {
            for record in records.into_iter().rev() {
                cursor.records.push_front(record);
            }
        } else {
            cursor.records.extend(records);
        }
        Ok(true)
    }

    /// The next key with its values, or none at the end.
    ///
    /// # Errors
    /// When the disk refuses or a block is damaged.
    pub fn next(&self, cursor: &mut Cursor) -> Result<Option<Group>, TableError> {
        if cursor.records.is_empty() && !self.fill(cursor)? {
            return Ok(None);
        }
        let mut group: Option<Group> = None;
        loop {
            let record = if cursor.backwards { cursor.records.back() } else { cursor.records.front() };
            match (record, &mut group) {
                (None, _) => {
                    if !self.fill(cursor)? {
                        break;
                    }
                    continue;
                }
                (Some((key, _)), Some((known, _))) if key != known => break,
                _ => {}
            }
            let record =
                if cursor.backwards { cursor.records.pop_back() } else { cursor.records.pop_front() };
            let Some((key, value)) = record else { break };
            group.get_or_insert_with(|| (key, Vec::new())).1.push(value);
        }
        if cursor.backwards
            && let Some((_, values)) = &mut group
        {
            values.reverse();
        }
        Ok(group)
    }
}

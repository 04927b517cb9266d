//! Lists that come in pages.

use std::marker::PhantomData;

use morgana_model::Page;
use serde::de::DeserializeOwned;

use crate::{Client, Error};

/// How many resources a page holds: the most that the server gives.
const PAGE_LIMIT: u32 = 1000;

/// A list of resources, in the order of their ids, fetched page after page.
#[derive(Debug)]
#[must_use = "a list is fetched by `all` or `next_page`"]
pub struct Pages<'a, T> {
    client: &'a Client,
    segments: Vec<String>,
    limit: u32,
    position: Position,
    items: PhantomData<T>,
}

#[derive(Debug)]
enum Position {
    Start,
    After(String),
    End,
}

impl<'a, T: DeserializeOwned> Pages<'a, T> {
    pub(crate) fn new<'s>(client: &'a Client, segments: impl IntoIterator<Item = &'s str>) -> Self {
        Self {
            client,
            segments: segments.into_iter().map(str::to_owned).collect(),
            limit: PAGE_LIMIT,
            position: Position::Start,
            items: PhantomData,
        }
    }

    /// Asks for pages of at most `limit` resources, 1 to 1000.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// The next page; none when the list is at its end.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; asking again repeats the same page.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        let request = self.client.get(self.segments.iter().map(String::as_str));
        let request = request.query(&[("limit", self.limit)]);
        let request = match &self.position {
            Position::Start => request,
            Position::After(cursor) => request.query(&[("cursor", cursor)]),
            Position::End => return Ok(None),
        };
        let page: Page<T> = self.client.fetch(request).await?;
        self.position = match page.next {
            // A cursor that stays where it is would never come to an end.
            Some(next) if matches!(&self.position, Position::After(cursor) if *cursor == next) => {
                return Err(Error::Unexpected {
                    url: format!("{}/{}", self.client.base_url(), self.segments.join("/")),
                    status: 200,
                    reason: format!("the list does not go on after cursor '{next}'"),
                });
            }
            Some(next) => Position::After(next),
            None => Position::End,
        };
        Ok(Some(page.items))
    }

    /// Everything that is left of the list.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(page) = self.next_page().await? {
            items.extend(page);
        }
        Ok(items)
    }
}

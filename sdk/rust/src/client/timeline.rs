//! The messages of a chat.

use super::Client;
use crate::{
    ChatId, Error, Page,
    core::{Call, PageQuery, Reply},
};

/// The messages of a chat, in pages: from the store where it has all of them, else from the server.
///
/// A page is in the order of `seq`, and no message between its first and its last one is missing. `seq`s may be: other events of the
/// chat have one too. It may have fewer messages than `limit`, which is 1 to 200, while [`Page::has_next`] or
/// [`Page::has_previous`] says that there are more: go on from its last or first message.
#[derive(Clone, Debug)]
pub struct Timeline {
    pub(super) client: Client,
    pub(super) chat: ChatId,
}

impl Timeline {
    /// Returns the newest messages.
    ///
    /// # Errors
    /// The store does not have all of them, and the server does not answer or refuses it. Without a network, what is there is returned.
    pub async fn latest(&self, limit: usize) -> Result<Page, Error> {
        self.page(PageQuery { limit, ..PageQuery::default() }).await
    }

    /// Returns messages before a `seq`.
    ///
    /// # Errors
    /// As [`latest`](Self::latest).
    pub async fn before(&self, seq: u64, limit: usize) -> Result<Page, Error> {
        self.page(PageQuery { before: Some(seq), limit, ..PageQuery::default() }).await
    }

    /// Returns messages after a `seq`; after 0, the first ones.
    ///
    /// # Errors
    /// As [`latest`](Self::latest).
    pub async fn after(&self, seq: u64, limit: usize) -> Result<Page, Error> {
        self.page(PageQuery { after: Some(seq), limit, ..PageQuery::default() }).await
    }

    /// Returns messages around a `seq`, from the server.
    ///
    /// # Errors
    /// As [`latest`](Self::latest).
    pub async fn around(&self, seq: u64, limit: usize) -> Result<Page, Error> {
        self.page(PageQuery { around: Some(seq), limit, ..PageQuery::default() }).await
    }

    /// Returns the ranges of `seq` of which the store has every message.
    ///
    /// # Errors
    /// The client was closed.
    pub async fn segments(&self) -> Result<Vec<(u64, u64)>, Error> {
        match self.client.call(Call::Segments(self.chat)).await? {
            Reply::Segments(segments) => Ok(segments),
            _ => Err(Error::Closed),
        }
    }

    async fn page(&self, query: PageQuery) -> Result<Page, Error> {
        match self.client.call(Call::Page(self.chat, query)).await? {
            Reply::Page(page) => Ok(page),
            _ => Err(Error::Closed),
        }
    }
}

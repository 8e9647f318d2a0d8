//! The attempts to store a batch, until each item has its outcome.

use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error as QueryError},
};

use crate::messages::error::MessageError;

/// A batch, with the outcomes of the items that need no further attempt.
pub(crate) struct Attempts<T> {
    outcomes: Vec<Result<T, MessageError>>,
    /// The items that are to be tried.
    pending: Vec<usize>,
    /// How many attempts are left after the current one.
    left: usize,
}

impl<T> Attempts<T> {
    /// Begins with all of this number of items. An item that gets no row is not in a chat of the user.
    pub(crate) fn new(items: usize, most: usize) -> Self {
        let outcomes = (0..items).map(|_| Err(MessageError::NoSuchChat)).collect();
        Self { outcomes, pending: (0..items).collect(), left: most }
    }

    /// Returns whether there are items to be tried, and begins the next attempt.
    pub(crate) const fn begin(&mut self) -> bool {
        let begins = self.left > 0 && !self.pending.is_empty();
        if begins {
            self.left -= 1;
        }
        begins
    }

    /// Returns the items to be tried, in the order of the statement.
    pub(crate) fn pending<'a, I>(&self, items: &[&'a I]) -> Vec<&'a I> {
        self.pending.iter().map(|index| items[*index]).collect()
    }

    /// Returns the rows of the attempt. There are none if one of the `request_id`s was stored meanwhile, in this chat or another: the
    /// attempt is rolled back, and the next one finds it.
    pub(crate) fn rows<R>(&self, rows: QueryResult<Vec<R>>) -> QueryResult<Option<Vec<R>>> {
        match rows {
            Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) if self.left > 0 => Ok(None),
            rows => rows.map(Some),
        }
    }

    /// Takes the rows of the attempt, each with the number of its item in the statement, from 1. `outcome` gets the position of the
    /// item in [`Attempts::pending`], and returns `None` if it must be tried again.
    pub(crate) fn settle<R>(
        &mut self,
        rows: impl Iterator<Item = (i64, R)>,
        outcome: impl Fn(usize, R) -> Option<Result<T, MessageError>>,
    ) {
        let mut again = Vec::new();
        for (n, row) in rows {
            let Some(position) = usize::try_from(n).ok().and_then(|n| n.checked_sub(1)) else { continue };
            let Some(&index) = self.pending.get(position) else { continue };
            let outcome = outcome(position, row);
            // Until the last attempt, the next one decides. It has no row for a user who is no longer a member.
            if outcome.is_none() && self.left > 0 {
                again.push(index);
            } else {
                self.outcomes[index] = outcome.unwrap_or(Err(MessageError::Contended));
            }
        }
        self.pending = again;
    }

    pub(crate) fn finish(self) -> Vec<Result<T, MessageError>> {
        self.outcomes
    }
}

//! Reactions, as clients saw them.

use std::collections::BTreeSet;

use neonchat_common::ids::UserId;

/// The reactions with one emoji to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The emoji.
    pub emoji: String,
    /// The number of users.
    pub count: i64,
    /// Some of the users: the last ones.
    pub recent: Vec<UserId>,
}

/// The reactions to a message, as a member reads them with the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Those of all users.
    pub tallies: Vec<Tally>,
    /// The emoji with which the member reacted.
    pub own: BTreeSet<String>,
}

/// A user who reacted to a message, and the emoji.
pub type Reactor = (UserId, String);

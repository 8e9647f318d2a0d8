//! The reactions that clients asked for, and which of them may be there at the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use neonchat_common::ids::{MessageId, UserId};

use super::Users;
use crate::checker::{
    evidence::{Action, Change, ChangeAnswer, Evidence, Moment},
    verdict::{Breach, Verdict},
};

/// A request to have a reaction, or not to have it.
struct Wish {
    on: bool,
    begun: Moment,
    /// When it was fulfilled for certain.
    acked: Option<Moment>,
    /// Whether an attempt may still fulfil it after that.
    is_open: bool,
}

/// The wishes about a message, by user and emoji.
type OfMessage<'a> = BTreeMap<(UserId, &'a str), Vec<Wish>>;

/// All wishes.
pub(super) struct Wishes<'a>(HashMap<MessageId, OfMessage<'a>>);

impl<'a> Wishes<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Self {
        let mut all: HashMap<MessageId, OfMessage<'a>> = HashMap::new();
        for client in &evidence.clients {
            for change in client.changes.values() {
                let Action::React { message, emoji, on } = &change.action else { continue };
                if let Some(wish) = Wish::of(change, *on) {
                    all.entry(*message).or_default().entry((client.user, emoji)).or_default().push(wish);
                }
            }
        }
        Self(all)
    }

    /// Returns the number of wishes that were fulfilled for certain.
    pub(super) fn acked(&self) -> usize {
        let wishes = self.0.values().flat_map(BTreeMap::values).flatten();
        wishes.filter(|wish| wish.acked.is_some()).count()
    }

    /// Returns the number of users who may ever have had a reaction.
    pub(super) fn ever(&self, message: MessageId, emoji: &str) -> usize {
        let wishes = self.0.get(&message).into_iter().flatten();
        wishes.filter(|((_, of), wishes)| *of == emoji && wishes.iter().any(|wish| wish.on)).count()
    }

    /// Compares who has reacted to a message at the end with the wishes. What was not answered may be fulfilled or not.
    pub(super) fn check(&self, message: MessageId, users: &Users<'_>, what: &str, verdict: &mut Verdict) {
        let nothing = OfMessage::new();
        let wishes = self.0.get(&message).unwrap_or(&nothing);
        let listed = users.iter().flat_map(|(emoji, users)| users.iter().map(|user| (*user, *emoji)));
        for (user, emoji) in listed.chain(wishes.keys().copied()).collect::<BTreeSet<_>>() {
            let possible = possible(wishes.get(&(user, emoji)).map(Vec::as_slice).unwrap_or_default());
            let is_listed = users.get(emoji).is_some_and(|users| users.contains(&user));
            if is_listed && !possible.contains(&true) {
                verdict
                    .add(Breach::Reactions, || format!("{what}: {user} is listed with {emoji}, but does not have it"));
            }
            if !is_listed && !possible.contains(&false) {
                verdict.add(Breach::Reactions, || format!("{what}: {user} has {emoji}, but is not listed with it"));
            }
        }
    }
}

impl Wish {
    /// Returns `None` if the change was refused.
    fn of(change: &Change, on: bool) -> Option<Self> {
        let is = |wanted: fn(&ChangeAnswer) -> bool| change.answers.iter().find(|(_, answer)| wanted(answer));
        let applied = is(|answer| matches!(answer, ChangeAnswer::Applied { .. } | ChangeAnswer::Gathered));
        let acked = applied.or_else(|| is(|answer| *answer == ChangeAnswer::Unchanged)).map(|(at, _)| *at);
        // An attempt that changes nothing leaves no trace. So an earlier one without an answer may come after it, and apply the change.
        let may_come =
            change.answers.len() < change.attempts || is(|answer| *answer == ChangeAnswer::Indefinite).is_some();
        let is_open = may_come && applied.is_none();
        (acked.is_some() || is_open).then_some(Self { on, begun: change.begun, acked, is_open })
    }

    /// Returns whether another wish was fulfilled after this one for certain.
    fn is_replaced_by(&self, other: &Self) -> bool {
        !self.is_open && other.acked.is_some() && self.acked.is_some_and(|acked| other.begun > acked)
    }
}

/// Returns whether a user has a reaction at the end: one of these. A wish may be the last one unless another one followed it.
fn possible(wishes: &[Wish]) -> BTreeSet<bool> {
    let last = wishes.iter().filter(|wish| !wishes.iter().any(|other| wish.is_replaced_by(other)));
    let mut possible: BTreeSet<bool> = last.map(|wish| wish.on).collect();
    if wishes.iter().all(|wish| wish.acked.is_none()) {
        possible.insert(false);
    }
    possible
}

//! A chat in memory. It counts by looking at each message.

use std::collections::BTreeMap;

use neonchat_common::error::ErrorCode;
use serde_json::{Value, json};

/// The roles.
pub(super) const MEMBER: u8 = 1;
pub(super) const ADMIN: u8 = 2;
pub(super) const OWNER: u8 = 3;

/// The `seq` of the event of a change, or `None` if nothing changed.
type Changed = Result<Option<i64>, ErrorCode>;

pub(super) struct Message {
    pub(super) id: String,
    sender: usize,
    text: String,
    is_deleted: bool,
    /// Whom the text mentions.
    mentioned: Option<usize>,
    /// The sender of the message that it answers.
    answered: Option<usize>,
    /// Who reacted and how, the oldest first.
    reactions: Vec<(usize, &'static str)>,
}

impl Message {
    /// Returns each kind of reactions: the emoji, the number of users, and the last three of them.
    fn shown_reactions(&self) -> Value {
        let mut kinds: Vec<(&str, Vec<usize>)> = Vec::new();
        for (user, emoji) in &self.reactions {
            match kinds.iter_mut().find(|(kind, _)| kind == emoji) {
                Some((_, users)) => users.insert(0, *user),
                None => kinds.push((emoji, vec![*user])),
            }
        }
        let shown = |(emoji, users): &(&str, Vec<usize>)| json!([emoji, users.len(), users[..users.len().min(3)]]);
        kinds.iter().map(shown).collect()
    }
}

#[derive(Clone, Copy)]
struct Member {
    role: u8,
    /// Events up to this one do not exist for the member.
    from_seq: i64,
    read: i64,
}

pub(super) struct Model {
    pub(super) is_direct: bool,
    /// Whether newcomers see all events.
    sees_all: bool,
    /// By `seq`.
    pub(super) messages: BTreeMap<i64, Message>,
    /// The type of each event, in order, and the user who came or went.
    events: Vec<(&'static str, Option<usize>)>,
    /// The pinned messages, the last pinned last.
    pins: Vec<i64>,
    members: Vec<Option<Member>>,
}

impl Model {
    pub(super) fn direct() -> Self {
        Self { is_direct: true, ..Self::new(&[MEMBER, MEMBER], 2, true) }
    }

    /// A group whose first users have these roles. The admin was made one by an event.
    pub(super) fn group(roles: [u8; 3], users: usize, sees_all: bool) -> Self {
        Self { events: vec![("member_changed", None)], ..Self::new(&roles, users, sees_all) }
    }

    fn new(roles: &[u8], users: usize, sees_all: bool) -> Self {
        let member = |user| roles.get(user).map(|&role| Member { role, from_seq: 0, read: 0 });
        let members = (0..users).map(member).collect();
        Self { is_direct: false, sees_all, messages: BTreeMap::new(), events: Vec::new(), pins: Vec::new(), members }
    }

    pub(super) fn head(&self) -> i64 {
        self.events.len().try_into().expect("number of events")
    }

    fn append(&mut self, kind: &'static str, user: Option<usize>) -> i64 {
        self.events.push((kind, user));
        self.head()
    }

    /// Returns the `seq` of a message.
    pub(super) fn nth(&self, message: usize) -> Option<i64> {
        let seqs: Vec<_> = self.messages.keys().copied().collect();
        (!seqs.is_empty()).then(|| seqs[message % seqs.len()])
    }

    fn member(&self, user: usize) -> Result<Member, ErrorCode> {
        self.members[user].ok_or(ErrorCode::NotFound)
    }

    fn role(&self, user: usize) -> u8 {
        self.members[user].map_or(MEMBER, |member| member.role)
    }

    pub(super) fn send(
        &mut self,
        sender: usize,
        text: &str,
        mentions: Option<usize>,
        reply_to: Option<i64>,
    ) -> Result<i64, ErrorCode> {
        let from_seq = self.member(sender)?.from_seq;
        let is_other_member = |user: &usize| *user != sender && self.members[*user].is_some();
        let mentioned = mentions.filter(is_other_member);
        let answered = reply_to
            .filter(|seq| *seq > from_seq && !self.messages[seq].is_deleted)
            .map(|seq| self.messages[&seq].sender)
            .filter(is_other_member);
        let seq = self.append("message", None);
        let (id, text) = (String::new(), text.to_owned());
        let message = Message { id, sender, text, is_deleted: false, mentioned, answered, reactions: Vec::new() };
        self.messages.insert(seq, message);
        self.members[sender].as_mut().expect("member").read = seq;
        Ok(seq)
    }

    pub(super) fn edit(&mut self, user: usize, seq: i64, text: String) -> Changed {
        let from_seq = self.member(user)?.from_seq;
        let message = self.messages.get_mut(&seq).expect("message");
        if message.is_deleted || seq <= from_seq {
            return Err(ErrorCode::NotFound);
        }
        if message.sender != user {
            return Err(ErrorCode::Forbidden);
        }
        if message.text == text {
            return Ok(None);
        }
        // The new text mentions nobody.
        (message.text, message.mentioned) = (text, None);
        Ok(Some(self.append("message_edited", None)))
    }

    pub(super) fn delete(&mut self, user: usize, seqs: &[i64]) -> Changed {
        let Member { role, from_seq, .. } = self.member(user)?;
        let is_alive = |seq: &&i64| **seq > from_seq && !self.messages[*seq].is_deleted;
        let alive: Vec<_> = seqs.iter().filter(is_alive).copied().collect();
        let may_delete = |seq: &i64| {
            let author = self.messages[seq].sender;
            author == user || !self.is_direct && role >= ADMIN && role > self.role(author)
        };
        if !alive.iter().all(may_delete) {
            return Err(ErrorCode::Forbidden);
        }
        for seq in &alive {
            let message = self.messages.get_mut(seq).expect("message");
            (message.is_deleted, message.text) = (true, String::new());
            message.reactions.clear();
        }
        self.pins.retain(|seq| !alive.contains(seq));
        Ok((!alive.is_empty()).then(|| self.append("messages_deleted", None)))
    }

    pub(super) fn react(&mut self, user: usize, seq: i64, emoji: &'static str, is_on: bool) -> Changed {
        let from_seq = self.member(user)?.from_seq;
        let message = self.messages.get_mut(&seq).expect("message");
        if message.is_deleted || seq <= from_seq {
            return Err(ErrorCode::NotFound);
        }
        let reactions = &mut message.reactions;
        if reactions.contains(&(user, emoji)) == is_on {
            return Ok(None);
        }
        if is_on && reactions.iter().filter(|(other, _)| *other == user).count() == 3 {
            return Err(ErrorCode::LimitReached);
        }
        if is_on {
            reactions.push((user, emoji));
        } else {
            reactions.retain(|reaction| *reaction != (user, emoji));
        }
        Ok(Some(self.append("reactions", None)))
    }

    pub(super) fn pin(&mut self, user: usize, seq: i64, is_on: bool) -> Changed {
        let Member { role, from_seq, .. } = self.member(user)?;
        if self.messages[&seq].is_deleted || seq <= from_seq {
            return Err(ErrorCode::NotFound);
        }
        if !self.is_direct && role < ADMIN {
            return Err(ErrorCode::Forbidden);
        }
        if self.pins.contains(&seq) == is_on {
            return Ok(None);
        }
        if is_on {
            self.pins.push(seq);
        } else {
            self.pins.retain(|pinned| *pinned != seq);
        }
        Ok(Some(self.append("pinned", None)))
    }

    /// Returns the answer; `None` if the user is not a member.
    pub(super) fn read(&mut self, user: usize, seq: i64) -> Option<Value> {
        let head = self.head();
        let member = self.members[user].as_mut()?;
        member.read = member.read.max(seq.min(head));
        let read = member.read;
        Some(json!({ "read_seq": read, "delivered_seq": read, "unread_count": self.unread(user) }))
    }

    pub(super) fn add(&mut self, by: usize, user: usize) -> Changed {
        self.member(by)?;
        if self.members[user].is_some() {
            return Ok(None);
        }
        let seq = self.append("members_added", Some(user));
        let from_seq = if self.sees_all { 0 } else { seq - 1 };
        self.members[user] = Some(Member { role: MEMBER, from_seq, read: seq });
        Ok(Some(seq))
    }

    pub(super) fn kick(&mut self, by: usize, user: usize) -> Changed {
        let role = self.member(by)?.role;
        if role < ADMIN || self.members[user].is_some_and(|member| member.role >= role) {
            return Err(ErrorCode::Forbidden);
        }
        let removed = self.members[user].take();
        Ok(removed.map(|_| self.append("members_removed", Some(user))))
    }

    pub(super) fn leave(&mut self, user: usize) -> Changed {
        if self.member(user)?.role == OWNER {
            return Err(ErrorCode::LastOwner);
        }
        self.members[user] = None;
        Ok(Some(self.append("members_removed", Some(user))))
    }

    pub(super) fn has_one_member(&self) -> bool {
        self.members.iter().flatten().count() == 1
    }

    fn visible(&self, user: usize) -> impl Iterator<Item = (&i64, &Message)> {
        let from_seq = self.members[user].map_or(i64::MAX, |member| member.from_seq);
        self.messages.iter().filter(move |(seq, _)| **seq > from_seq)
    }

    pub(super) fn unread(&self, user: usize) -> usize {
        let read = self.members[user].map_or(0, |member| member.read);
        let is_unread =
            |(seq, message): &(&i64, &Message)| **seq > read && message.sender != user && !message.is_deleted;
        self.visible(user).filter(is_unread).count()
    }

    fn mentions(&self, user: usize) -> usize {
        let read = self.members[user].map_or(0, |member| member.read);
        let mentions = |message: &Message| [message.mentioned, message.answered].contains(&Some(user));
        let is_counted = |(seq, message): &(&i64, &Message)| **seq > read && !message.is_deleted && mentions(message);
        self.visible(user).filter(is_counted).count()
    }

    /// Returns what the item of the chat shows: `first_seq`, `last_seq`, `read_seq`, `unread_count`, `mention_count`, `member_count` and
    /// the last text.
    pub(super) fn item(&self, user: usize) -> Option<Vec<Value>> {
        let Member { from_seq, read, .. } = self.members[user]?;
        let last = self.visible(user).filter(|(_, message)| !message.is_deleted).last();
        let members = (!self.is_direct).then(|| self.members.iter().flatten().count());
        Some(vec![
            json!(from_seq + 1),
            json!(self.head()),
            json!(read),
            json!(self.unread(user)),
            json!(self.mentions(user)),
            json!(members),
            json!(last.map(|(_, message)| &message.text)),
        ])
    }

    /// Returns the `seq` of each pinned message, the last pinned first.
    pub(super) fn pins(&self, user: usize) -> Vec<i64> {
        let from_seq = self.members[user].map_or(i64::MAX, |member| member.from_seq);
        self.pins.iter().rev().copied().filter(|seq| *seq > from_seq).collect()
    }

    /// Returns each message: `seq`, text, whether it is deleted, its reactions, and those of the user.
    pub(super) fn history(&self, user: usize) -> Vec<Value> {
        let shown = |(seq, message): (&i64, &Message)| {
            let own = message.reactions.iter().filter(|(other, _)| *other == user).map(|(_, emoji)| emoji);
            let (deleted, own) = (message.is_deleted.then_some(true), own.collect::<Vec<_>>());
            json!([seq, message.text, deleted, message.shown_reactions(), (!own.is_empty()).then_some(own)])
        };
        self.visible(user).map(shown).collect()
    }

    /// Returns each event: `seq`, type, and who came or went.
    pub(super) fn events(&self, user: usize) -> Vec<Value> {
        let from_seq = self.members[user].map_or(i64::MAX, |member| member.from_seq);
        let events = self.events.iter().zip(1..).filter(|(_, seq): &(_, i64)| *seq > from_seq);
        events.map(|((kind, user), seq)| json!([seq, kind, user.map(|user| [user])])).collect()
    }
}

//! Finds out, before a message is stored, whom it mentions and which message it answers.
//!
//! This is done by queries of its own, so that plain messages do not pay for it. Who leaves the chat between such a query and the
//! statement that stores the message is mentioned in it, but sees nothing of it.

use std::collections::{HashMap, HashSet};

use neonchat_common::ids::{ChatId, MessageId, UserId};

use super::{
    change::{Change, NewChange},
    extra::{Entity, EntityKind, Extra, ReplyTo},
    given::MAX_MENTIONS,
    model::{NewMessage, Rich},
    names::names_in,
    store::{self, Mentionable, Replied},
};
use crate::db::{Db, DbResult};

/// The name that stands for all members.
const ALL: &str = "all";

/// A text whose mentions are wanted.
#[derive(Clone, Copy)]
pub(super) struct Mentioning<'a> {
    pub(super) chat: ChatId,
    pub(super) text: &'a str,
    /// `None` if the mentions have to be found in the text.
    pub(super) entities: Option<&'a [Entity]>,
    /// Further users.
    pub(super) users: &'a [UserId],
}

/// Whom a text mentions.
#[derive(Clone, Default)]
pub(crate) struct Mentions {
    /// Members of the chat.
    pub(super) users: Vec<UserId>,
    /// Whether it names all members. The right to mention them is not checked.
    pub(super) all: bool,
}

/// Returns whether a message may have something beside its text that is not filled in yet.
pub(super) fn may_be_rich(message: &NewMessage) -> bool {
    message.rich.is_none() && (message.given.is_some() || message.text.as_str().contains('@'))
}

/// Fills in what the messages have beside their texts. Those that say nothing beside their text stay plain.
///
/// `all_interval_s` is the least time between two mentions of all members of a chat, in seconds.
pub(super) async fn resolve(
    db: &Db,
    messages: impl Iterator<Item = &mut NewMessage>,
    all_interval_s: i64,
) -> DbResult<()> {
    let mut messages: Vec<_> = messages.filter(|message| may_be_rich(message)).collect();
    if messages.is_empty() {
        return Ok(());
    }
    let replies: Vec<_> = messages.iter().map(|message| (message.chat, message.sender, message.reply_to())).collect();
    let mut replies = store::find_replied(db, &replies).await?;
    let mentioning: Vec<_> = messages.iter().map(|message| message.mentioning()).collect();
    let mentions = find_mentions(db, &mentioning).await?;
    for (index, (message, mut mentions)) in messages.iter_mut().zip(mentions).enumerate() {
        if mentions.all {
            mentions.all = store::claim_mention_of_all(db, message, all_interval_s).await?;
        }
        message.fill_in(replies.remove(&index), mentions);
    }
    Ok(())
}

/// Fills in whom the new text of an edit mentions. An edit never begins to mention all members: see the statement.
pub(super) async fn resolve_edit(db: &Db, change: &mut NewChange) -> DbResult<()> {
    let Change::Edit { text, entities, mentions, .. } = &mut change.change else { return Ok(()) };
    if entities.is_none() && !text.as_str().contains('@') {
        return Ok(());
    }
    let mentioning = Mentioning { chat: change.chat, text: text.as_str(), entities: entities.as_deref(), users: &[] };
    *mentions = find_mentions(db, &[mentioning]).await?.pop().unwrap_or_default();
    Ok(())
}

/// Returns whom each of the texts mentions.
pub(super) async fn find_mentions(db: &Db, texts: &[Mentioning<'_>]) -> DbResult<Vec<Mentions>> {
    let wanted: Vec<_> = texts.iter().map(Wanted::of).collect();
    let names = |(index, wanted): (usize, &Wanted)| {
        let names = wanted.names.iter().flatten().cloned().map(Mentionable::Name);
        let users = wanted.users.iter().copied().map(Mentionable::User);
        names.chain(users).map(|who| (index, texts[index].chat, who)).collect::<Vec<_>>()
    };
    let mentionables: Vec<_> = wanted.iter().enumerate().flat_map(names).collect();
    let members = if mentionables.is_empty() { HashMap::new() } else { store::find_members(db, &mentionables).await? };
    Ok(wanted.iter().enumerate().map(|(index, wanted)| wanted.found(index, &members)).collect())
}

/// Whom a text may mention.
struct Wanted {
    /// For each name in the text, folded, what it may stand for.
    names: Vec<Vec<String>>,
    users: Vec<UserId>,
    all: bool,
}

impl Wanted {
    fn of(Mentioning { text, entities, users, .. }: &Mentioning<'_>) -> Self {
        let mut names = if entities.is_none() { names_in(text, MAX_MENTIONS) } else { Vec::new() };
        let names_before = names.len();
        names.retain(|candidates| candidates.iter().all(|name| name != ALL));
        let entities = entities.unwrap_or_default();
        let all = names.len() < names_before || entities.iter().any(|entity| entity.kind == EntityKind::MentionAll);
        let users = entities.iter().filter_map(|entity| entity.user_id).chain(users.iter().copied()).collect();
        Self { names, users, all }
    }

    /// Returns those who are members, each once.
    fn found(&self, index: usize, members: &HashMap<(usize, Mentionable), UserId>) -> Mentions {
        let member = |who| members.get(&(index, who)).copied();
        let named = self
            .names
            .iter()
            .filter_map(|candidates| candidates.iter().find_map(|name| member(Mentionable::Name(name.clone()))));
        let given = self.users.iter().filter_map(|user| member(Mentionable::User(*user)));
        let mut known = HashSet::new();
        let users = named.chain(given).filter(|user| known.insert(*user)).take(MAX_MENTIONS).collect();
        Mentions { users, all: self.all }
    }
}

impl NewMessage {
    fn reply_to(&self) -> Option<MessageId> {
        self.given.as_ref()?.reply_to
    }

    fn mentioning(&self) -> Mentioning<'_> {
        let given = self.given.as_deref();
        Mentioning {
            chat: self.chat,
            text: self.text.as_str(),
            entities: given.and_then(|given| given.entities.as_deref()),
            users: given.map_or(&[], |given| &given.mentions),
        }
    }

    fn fill_in(&mut self, reply: Option<Replied>, mentions: Mentions) {
        let given = self.given.as_deref().cloned().unwrap_or_default();
        let reply_to = reply.map(|Replied { id, seq, sender_id, .. }| ReplyTo { id, seq, sender_id });
        let answered = reply.filter(|reply| reply.is_by_member).map(|reply| reply.sender_id);
        let mut counted: Vec<_> = mentions.users.iter().copied().chain(answered).collect();
        counted.sort_unstable();
        counted.dedup();
        // Nobody is counted as mentioned for a message of their own.
        counted.retain(|user| *user != self.sender);
        let extra = Extra {
            entities: given.entities.unwrap_or_default(),
            reply_to,
            mentions: mentions.users,
            mention_all: mentions.all,
            forward: None,
            silent: given.silent,
        };
        if !extra.is_empty() {
            self.rich = Some(Box::new(Rich { extra, counted }));
        }
    }
}

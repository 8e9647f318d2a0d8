//! Reads at the end who reacted to which message.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use neonchat_common::ids::{ChatId, MessageId, UserId};
use neonchat_testbed::client::{Api, User};

use super::{Chats, evidence::page, frames};
use crate::checker::{Action, Evidence, Reactor};

/// Reads the lists of all messages to which a client wanted to react. A member who is never removed reads them.
pub(super) async fn read(
    api: &Api,
    evidence: &mut Evidence,
    founded: &Chats,
    users: &BTreeMap<UserId, User>,
) -> anyhow::Result<()> {
    for (chat, message) in reacted(evidence) {
        let founded = founded.get(&chat).context("an unknown chat")?;
        let reader = founded.owner.as_ref().or_else(|| founded.founders.first());
        let user = reader.and_then(|reader| users.get(reader)).context("an unknown reader")?;
        // Nothing, if the message is deleted.
        if let Some(listed) = list(api, user, chat, message).await? {
            evidence.chats.entry(chat).or_default().reactors.insert(message, listed);
        }
    }
    Ok(())
}

fn reacted(evidence: &Evidence) -> BTreeSet<(ChatId, MessageId)> {
    let changes = evidence.clients.iter().flat_map(|client| client.changes.values());
    let reacted = changes.filter_map(|change| match change.action {
        Action::React { message, .. } => Some((change.chat, message)),
        _ => None,
    });
    reacted.collect()
}

async fn list(api: &Api, user: &User, chat: ChatId, message: MessageId) -> anyhow::Result<Option<Vec<Reactor>>> {
    let Some(page) = page(api, user, &format!("/api/v1/chats/{chat}/messages/{message}/reactions?limit=100")).await?
    else {
        return Ok(None);
    };
    anyhow::ensure!(page["next"].is_null(), "more reactions than users have");
    let reactions = page["reactions"].as_array().context("no reactions")?.iter();
    let reactor = |reaction: &serde_json::Value| {
        Ok((frames::id(&reaction["user_id"])?, reaction["emoji"].as_str().context("no emoji")?.to_owned()))
    };
    reactions.map(reactor).collect::<anyhow::Result<_>>().map(Some)
}

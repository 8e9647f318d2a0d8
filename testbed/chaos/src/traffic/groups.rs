//! The groups, and their owners, who add and remove members all the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use neonchat_common::ids::{ChatId, SendId, UserId};
use neonchat_testbed::client::{Api, User, retry};
use serde_json::json;

use super::{
    Chats, Founded, Load, Phase,
    changes::Changer,
    compose::{compose, pause},
    rest::Poster,
    state::Shared,
};
use crate::checker::{Action, ChangeAnswer};

/// The groups: how many of the users are founders, and whether new members see the history.
const GROUPS: [(usize, bool); 2] = [(6, false), (6, true)];

/// The number of members of the group in which reactions are gathered: more than 100. Most of them have no client.
const CROWD: usize = 101;

/// The pause between changes of a group.
const PAUSE: Duration = Duration::from_millis(400);

/// How many messages a member sends while it is removed.
const LAST_WORDS: usize = 4;

/// Creates the groups. Each has another owner.
pub(super) async fn create(api: &Api, users: &[User]) -> anyhow::Result<Chats> {
    let mut groups = Chats::new();
    for (index, (size, shows_history)) in GROUPS.into_iter().enumerate() {
        let founders = users.iter().cycle().skip(index).take(size.min(users.len())).collect::<Vec<_>>();
        groups.insert(found(api, &founders, &[], shows_history).await?, founded(&founders, shows_history, false)?);
    }
    Ok(groups)
}

/// Creates a group of all users and many others. Nobody leaves it.
pub(super) async fn create_crowd(api: &Api, users: &[User]) -> anyhow::Result<Chats> {
    let others = (users.len()..CROWD).map(|_| retry(async || api.any_user().await));
    let (users, others): (Vec<_>, _) = (users.iter().collect(), try_join_all(others).await?);
    Ok(Chats::from([(found(api, &users, &others, true).await?, founded(&users, true, true)?)]))
}

/// Creates a group of these users and others. The first one is the owner.
async fn found(api: &Api, founders: &[&User], others: &[User], shows_history: bool) -> anyhow::Result<ChatId> {
    let (owner, members) = founders.split_first().context("no users")?;
    let body = json!({
        "type": "group",
        "title": "Group",
        "history": if shows_history { "all" } else { "since_join" },
        "member_ids": members.iter().copied().chain(others).map(|user| &user.id).collect::<Vec<_>>(),
        "request_id": SendId::new(),
    });
    let created = retry(async || {
        let answer = api.post("/api/v1/chats", owner, &body).await?;
        ensure!(matches!(answer.status, 200 | 201), "group: {answer:?}");
        Ok(answer)
    });
    Ok(created.await?.body["id"].as_str().context("no ID")?.parse()?)
}

fn founded(founders: &[&User], shows_history: bool, is_lasting: bool) -> anyhow::Result<Founded> {
    let owner = Some(founders.first().context("no users")?.id.parse()?);
    let founders = founders.iter().map(|user| Ok(user.id.parse()?)).collect::<anyhow::Result<_>>()?;
    Ok(Founded { founders, owner, shows_history, is_lasting })
}

/// The owner of a group.
pub(super) struct Owner {
    chat: ChatId,
    shared: Shared,
    changer: Changer,
    load: Load,
    /// One device of each of the others. It sends while it is removed.
    others: BTreeMap<UserId, (Shared, Poster)>,
    /// The users who are no members, as far as the owner knows.
    outside: BTreeSet<UserId>,
    rng: fastrand::Rng,
}

impl Owner {
    /// Returns `None` if the chat is not a group.
    pub(super) fn new(
        chat: ChatId,
        group: &Founded,
        devices: &BTreeMap<UserId, Shared>,
        load: Load,
        rng: &mut fastrand::Rng,
    ) -> Option<Self> {
        let owner = group.owner?;
        let load = Load { chat: Some(chat), ..load };
        let others = devices.iter().filter(|(user, _)| **user != owner && group.founders.contains(user));
        let others = others
            .map(|(user, shared)| (*user, (shared.clone(), Poster::new(shared.clone(), load, rng.fork()))))
            .collect();
        let shared = devices.get(&owner)?.clone();
        let changer = Changer::new(shared.clone(), load, rng.fork());
        Some(Self { chat, shared, changer, load, others, outside: BTreeSet::new(), rng: rng.fork() })
    }

    pub(super) async fn run(mut self) {
        while !self.shared.is(Phase::Stopped) {
            tokio::time::sleep(pause(PAUSE, &mut self.rng)).await;
            if self.shared.is(Phase::Active)
                && let Some(user) = self.rng.choice(self.others.keys().copied().collect::<Vec<_>>())
            {
                self.change(user).await;
            }
        }
    }

    /// Removes or adds a user, or else changes the user's role or the title. At least half of the users are members.
    async fn change(&mut self, user: UserId) {
        let (users, may_remove) = (BTreeSet::from([user]), self.outside.len() * 2 < self.others.len());
        let action = if self.outside.contains(&user) {
            Action::Add {
                users: self.outside.iter().copied().filter(|other| *other == user || self.rng.bool()).collect(),
            }
        } else if may_remove && self.rng.u8(..4) > 0 {
            Action::Remove { users }
        } else if self.rng.bool() {
            Action::SetRole { user, admin: self.rng.bool() }
        } else {
            Action::Rename { title: SendId::new().to_string() }
        };
        let request = SendId::new();
        self.shared.state.add_change(self.chat, request, action.clone());
        let (answer, ()) = match (&action, self.others.get_mut(&user)) {
            (Action::Remove { .. }, Some((shared, poster))) => {
                let words = last_words(shared, poster, self.load, &mut self.rng);
                tokio::join!(self.changer.make(request), words)
            }
            _ => (self.changer.make(request).await, ()),
        };
        let Some((_, ChangeAnswer::Applied { .. } | ChangeAnswer::Unchanged)) = answer else { return };
        match action {
            Action::Add { users } => self.outside.retain(|user| !users.contains(user)),
            Action::Remove { users } => self.outside.extend(users),
            _ => {}
        }
    }
}

/// Sends messages while the user is removed. None of them may be stored after the removal.
async fn last_words(shared: &Shared, poster: &mut Poster, load: Load, rng: &mut fastrand::Rng) {
    for _ in 0..LAST_WORDS {
        if let Some(request_id) = compose(&shared.state, load, rng) {
            poster.send(request_id).await;
        }
    }
}

//! Title, description and settings, and the end of a chat.

use diesel::{ExpressionMethods as _, QueryDsl as _};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::Seq;
use serde_json::{Value, json};

use super::{
    locked::{Change, LockedChat, Member, NewEvent, Profile},
    names,
    rooms::search_key,
};
use crate::{
    event_kind::EventKind,
    groups::{
        error::GroupError,
        handle::Handle,
        model::{Caller, GroupPatch},
    },
    rights::{Action, ChatSettings, needed},
    schema::{chat_profiles, chats},
};

/// Changes title, description or settings.
#[derive(Clone, Debug)]
pub(in crate::groups) struct Update(pub(in crate::groups) GroupPatch);

impl Change for Update {
    /// The `seq` of the event, if something changed.
    type Done = Option<Seq>;

    const KINDS: &'static [EventKind] = &[EventKind::ChatUpdated];

    fn digest(&self) -> Option<String> {
        Some(self.0.digest())
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Seq>, GroupError> {
        let (Self(patch), actor) = (self, actor.ok_or(GroupError::NoSuchChat)?);
        if patch.title.is_some() || patch.description.is_some() || patch.settings.ttl_s.is_some() {
            chat.require(actor, Action::Info)?;
        }
        if patch.settings.governs() || patch.handle.is_some() {
            chat.require(actor, Action::Govern)?;
        }
        if patch.settings.slow_s.is_some() {
            chat.require(actor, Action::Restrict)?;
        }
        store(connection, chat, caller, patch).await
    }
}

async fn store(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
    patch: &GroupPatch,
) -> Result<Option<Seq>, GroupError> {
    let title = patch.title.as_ref().unwrap_or(&chat.profile.title);
    let description = patch.description.as_ref().unwrap_or(&chat.profile.description);
    let handle = match &patch.handle {
        Some(handle) => handle.as_ref().map(Handle::as_str),
        None => chat.profile.handle.as_deref(),
    };
    let settings = patch.settings.apply(&chat.settings);
    let current = (&chat.profile.title, &chat.profile.description, chat.profile.handle.as_deref());
    let is_same_profile = (title, description, handle) == current;
    if is_same_profile && settings == chat.settings {
        return Ok(None);
    }
    if let Some(Some(handle)) = &patch.handle
        && Some(handle.as_str()) != chat.profile.handle.as_deref()
    {
        handle.require_unreserved().map_err(GroupError::HandleRefused)?;
        names::reserve(connection, handle).await?;
    }
    diesel::update(chat_profiles::table.find(chat.id.0))
        .set((
            chat_profiles::title.eq(title),
            chat_profiles::description.eq(description),
            chat_profiles::handle.eq(handle),
            chat_profiles::search_key.eq(search_key(handle, title, description)),
            chat_profiles::settings.eq(settings.to_stored()?),
        ))
        .execute(connection)
        .await?;
    diesel::update(chats::table.find(chat.id.0))
        .set((
            chats::send_role.eq(needed(Action::Send, chat.kind, &settings) as i16),
            chats::delete_role.eq(needed(Action::Delete, chat.kind, &settings) as i16),
            chats::react_role.eq(needed(Action::React, chat.kind, &settings) as i16),
            chats::pin_role.eq(needed(Action::Pin, chat.kind, &settings) as i16),
            chats::slow_s.eq(settings.slow_s),
            chats::ttl_s.eq(settings.ttl_s),
        ))
        .execute(connection)
        .await?;
    if is_same_profile && settings.look_like(&chat.settings) {
        // A default was chosen, so it no longer changes by itself. Nobody sees a difference yet.
        return Ok(None);
    }
    let takes_rights = settings != chat.settings;
    let event = NewEvent::new(EventKind::ChatUpdated, takes_rights);
    let details = changes(&chat.profile, (title, description, handle), &chat.settings, &settings)?;
    Ok(Some(chat.append_as(connection, caller, event, details).await?))
}

/// Returns what an update changes, with the new values, for the audit log: the event itself has no body.
fn changes(
    old: &Profile,
    (title, description, handle): (&str, &str, Option<&str>),
    old_settings: &ChatSettings,
    settings: &ChatSettings,
) -> serde_json::Result<Value> {
    let old_settings = serde_json::to_value(old_settings)?;
    let mut settings = serde_json::to_value(settings)?;
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|name, value| old_settings[name] != *value);
    }
    let members = [
        ("title", json!(title), json!(old.title)),
        ("description", json!(description), json!(old.description)),
        ("handle", json!(handle), json!(old.handle)),
        ("settings", settings, json!({})),
    ];
    let changed = members.into_iter().filter(|(_, new, old)| new != old);
    Ok(changed.map(|(name, new, _)| (name.to_owned(), new)).collect())
}

/// Closes a chat: it no longer exists for its members.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct Close;

impl Change for Close {
    type Done = Option<Seq>;

    const KINDS: &'static [EventKind] = &[EventKind::ChatClosed];

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Seq>, GroupError> {
        chat.require(actor.ok_or(GroupError::NoSuchChat)?, Action::Close)?;
        close_locked(connection, chat, caller).await.map(Some)
    }
}

/// Closes a chat whose rights were checked.
pub(super) async fn close_locked(
    connection: &mut AsyncPgConnection,
    chat: &LockedChat,
    caller: Caller,
) -> Result<Seq, GroupError> {
    let event = NewEvent::new(EventKind::ChatClosed, true);
    let seq = chat.append(connection, caller, event).await?;
    diesel::update(chats::table.find(chat.id.0)).set(chats::is_closed.eq(true)).execute(connection).await?;
    // Its name is free again.
    diesel::update(chat_profiles::table.find(chat.id.0))
        .set(chat_profiles::handle.eq(None::<String>))
        .execute(connection)
        .await?;
    Ok(seq)
}

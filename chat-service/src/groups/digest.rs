//! Digests of what requests ask for. A repeated `request_id` with other content is recognized by them.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use neonchat_common::ids::UserId;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{
    handle::Handle,
    model::{GroupPatch, MemberPatch, NewGroup, Removal},
};

/// The number of bytes of a digest. The content is the caller's own, so nobody gains from a collision.
const BYTES: usize = 16;

impl NewGroup {
    /// Returns a digest of what is to be created. The order of the members does not matter.
    pub(super) fn digest(&self) -> String {
        let Self { kind, title, description, handle, settings, members } = self;
        let mut members = members.clone();
        members.sort_unstable();
        of(json!({
            "type": kind.as_str(), "title": title, "description": description,
            "handle": handle.as_ref().map(Handle::as_str), "history": settings.history, "members": members,
        }))
    }
}

impl GroupPatch {
    /// Returns a digest of what is to be changed.
    pub(super) fn digest(&self) -> String {
        let Self { title, description, handle, settings } = self;
        // To make a chat private differs from leaving its handle.
        let handle = handle.as_ref().map(|handle| handle.as_ref().map_or("", Handle::as_str));
        of(json!({ "title": title, "description": description, "handle": handle, "settings": settings }))
    }
}

impl MemberPatch {
    /// Returns a digest of what is to be changed of a user.
    pub(super) fn digest(&self, user: UserId) -> String {
        let Self { role, restricted_until } = self;
        // To lift a restriction differs from leaving it.
        let until = restricted_until.map(|until| until.map_or_else(String::new, |until| until.to_rfc3339()));
        of(json!({ "user_id": user, "role": role, "restricted_until": until }))
    }
}

/// Returns a digest of the users who are to be added. Their order does not matter.
pub(super) fn of_users(users: &[UserId]) -> String {
    of(json!({ "user_ids": sorted(users) }))
}

/// Returns a digest of who is to be removed, and how. The order of the users does not matter.
pub(super) fn of_removal(Removal { users, ban, deletes_messages }: &Removal) -> String {
    let reason = ban.as_ref().and_then(|ban| ban.reason.as_deref());
    of(json!({ "user_ids": sorted(users), "delete_messages": deletes_messages.then_some(true), "reason": reason }))
}

fn sorted(users: &[UserId]) -> Vec<UserId> {
    let mut users = users.to_vec();
    users.sort_unstable();
    users
}

fn of(content: Value) -> String {
    let digest = digest(&SHA256, without_nulls(content).to_string().as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&digest.as_ref()[..BYTES])
}

/// Removes what is absent, so that a field of a later version does not change the digests of requests without it.
fn without_nulls(content: Value) -> Value {
    match content {
        Value::Object(fields) => {
            let present = fields.into_iter().filter(|(_, value)| !value.is_null());
            present.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use neonchat_common::chat::Role;
    use uuid::Uuid;

    use super::*;
    use crate::{
        groups::model::{Ban, SettingsPatch},
        rights::{ChatKind, ChatSettings, HistoryVisibility},
    };

    #[test]
    fn depends_on_every_value() {
        let group = |change: &dyn Fn(&mut NewGroup)| {
            let settings = ChatSettings::of_new(ChatKind::Group, false, None);
            let mut group = NewGroup {
                kind: ChatKind::Group,
                title: "a".to_owned(),
                description: String::new(),
                handle: None,
                settings,
                members: Vec::new(),
            };
            change(&mut group);
            group.digest()
        };
        let handle = || "rust_users".parse::<Handle>().expect("parse handle");
        let groups = [
            group(&|_| {}),
            group(&|group| group.kind = ChatKind::Channel),
            group(&|group| group.title = "b".to_owned()),
            group(&|group| group.description = "b".to_owned()),
            group(&|group| group.handle = Some(handle())),
            group(&|group| group.settings.history = HistoryVisibility::All),
            group(&|group| group.members = vec![UserId::new()]),
        ];
        let patch = |patch: GroupPatch| patch.digest();
        let settings = |settings| patch(GroupPatch { settings, ..GroupPatch::default() });
        let patches = [
            patch(GroupPatch::default()),
            patch(GroupPatch { title: Some("a".to_owned()), ..GroupPatch::default() }),
            patch(GroupPatch { description: Some("a".to_owned()), ..GroupPatch::default() }),
            patch(GroupPatch { handle: Some(None), ..GroupPatch::default() }),
            patch(GroupPatch { handle: Some(Some(handle())), ..GroupPatch::default() }),
            settings(SettingsPatch { slow_s: Some(5), ..SettingsPatch::default() }),
            settings(SettingsPatch { send: Some(Role::Admin), ..SettingsPatch::default() }),
        ];
        let digests: HashSet<_> = groups.iter().chain(&patches).collect();
        assert_eq!(digests.len(), groups.len() + patches.len());

        let (a, b) = (UserId::new(), UserId::new());
        assert_eq!(
            group(&|group| group.members = vec![a, b]),
            group(&|group| group.members = vec![b, a]),
            "the order of members does not matter"
        );
    }

    /// Stored digests are compared with those of later versions.
    #[test]
    fn stays_the_same_between_versions() {
        let patch =
            GroupPatch { title: Some("Команда".to_owned()), handle: Some(None), ..GroupPatch::default() };
        assert_eq!(patch.digest(), "foHncsOctdluAyl_zsv_7Q");
        let group = NewGroup {
            kind: ChatKind::Channel,
            title: "Команда".to_owned(),
            description: String::new(),
            handle: Some("rust_users".parse().expect("parse handle")),
            settings: ChatSettings::of_new(ChatKind::Channel, true, None),
            members: vec![UserId(Uuid::nil())],
        };
        assert_eq!(group.digest(), "_Zvm_v4v6lAUvjkBSMYkrg");
        let patch = MemberPatch { role: Some(Role::Admin), restricted_until: Some(None) };
        assert_eq!(patch.digest(UserId(Uuid::nil())), "tX2j2MOEXvDue3_vSc3Dpg");
        let removal = |deletes_messages| {
            let ban = Some(Ban { reason: Some("spam".to_owned()) });
            of_removal(&Removal { users: vec![UserId(Uuid::nil())], ban, deletes_messages })
        };
        assert_eq!(removal(false), "r9oRKgei855yRRhYBeMjaQ");
        assert_ne!(removal(true), removal(false));
    }
}

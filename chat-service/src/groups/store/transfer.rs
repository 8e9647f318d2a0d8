//! A chat is given to another owner.

use diesel_async::AsyncPgConnection;
use neonchat_common::{
    chat::Role,
    ids::{Seq, UserId},
};
use serde_json::{Value, json};

use super::{
    earlier,
    list::require,
    locked::{self, Change, LockedChat, Member, NewEvent},
};
use crate::{
    db::Db,
    event_kind::EventKind,
    groups::{error::GroupError, model::Caller},
    rights::Action,
};

/// Makes an admin the owner, and ends a restriction of the admin. The former owner becomes an admin.
#[derive(Clone, Copy, Debug)]
pub(in crate::groups) struct Transfer {
    pub(in crate::groups) to: UserId,
}

/// Checks, without a lock, that the caller may do it, or has done it by an earlier request.
pub(in crate::groups) async fn check_transfer(db: &Db, caller: Caller, transfer: Transfer) -> Result<(), GroupError> {
    db.run(async move |connection| {
        if earlier::find(connection, caller, &transfer).await?.is_some() {
            return Ok(());
        }
        require(connection, caller.user, caller.chat, Action::Transfer).await
    })
    .await
}

impl Change for Transfer {
    /// The `seq` of the event, if something changed.
    type Done = Option<Seq>;

    const KINDS: &'static [EventKind] = &[EventKind::MemberChanged];

    fn is_same(&self, body: &Value) -> bool {
        body["user_id"] == json!(self.to) && !body["former"].is_null()
    }

    async fn apply(
        &self,
        connection: &mut AsyncPgConnection,
        chat: &LockedChat,
        caller: Caller,
        actor: Option<Member>,
    ) -> Result<Option<Seq>, GroupError> {
        let actor = actor.ok_or(GroupError::NoSuchChat)?;
        chat.require(actor, Action::Transfer)?;
        let target = locked::member(connection, chat.id, self.to).await?.ok_or(GroupError::NoSuchMember)?;
        match target.role {
            Role::Owner => return Ok(None),
            Role::Admin => {}
            Role::Member => return Err(GroupError::NotAdmin),
        }
        locked::set_member(connection, chat.id, Member { role: Role::Admin, ..actor }).await?;
        // Nobody could end a restriction of the owner.
        let owner = Member { role: Role::Owner, restricted_until: None, ..target };
        locked::set_member(connection, chat.id, owner).await?;
        let body = json!({ "user_id": self.to, "role": Role::Owner, "restricted_until": null, "former": actor.user });
        let event = NewEvent { body: Some(body), ..NewEvent::new(EventKind::MemberChanged, true) };
        Ok(Some(chat.append(connection, caller, event).await?))
    }
}

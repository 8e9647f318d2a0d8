//! What a member may see of an event.

use neonchat_common::{chat::Role, ids::UserId, json};

use super::{Event, MemberChange, MessageEditedEvent, MessageEvent};
use crate::{access::Access, messages::model::Message, notifier::Hidden, rights::ChatKind};

impl MessageEditedEvent {
    /// Returns the event without the message.
    fn without_message(self) -> Self {
        let message_id = self.message.as_ref().map(|message| message.id).or(self.message_id);
        Self { message: None, message_id, superseded: Some(true), ..self }
    }
}

impl Event {
    /// Returns the event as a member may see it.
    pub(crate) fn seen_by(self, access: Access) -> Self {
        let reader = access.user();
        match self {
            Self::Edited(MessageEditedEvent { message: Some(ref message), .. })
                if message.seq <= access.hidden_up_to() =>
            {
                self.hidden_before_history()
            }
            Self::Message(MessageEvent { ref message, .. })
            | Self::Edited(MessageEditedEvent { message: Some(ref message), .. })
                if message.sender_id != reader =>
            {
                self.seen_by_others()
            }
            _ if access.hides_members() => self.hidden_from_channel_members(Some(reader)),
            _ => self,
        }
    }

    /// Returns the event as members other than the author of the message see it.
    pub(super) fn seen_by_others(self) -> Self {
        match self {
            Self::Message(event) => Self::Message(MessageEvent { message: event.message.seen_by_others(), ..event }),
            Self::Edited(event) => {
                Self::Edited(MessageEditedEvent { message: event.message.map(Message::seen_by_others), ..event })
            }
            event => event,
        }
    }

    /// Returns the event as members see it for whom the message does not exist.
    fn hidden_before_history(self) -> Self {
        match self {
            Self::Edited(event) => Self::Edited(event.without_message()),
            event => event,
        }
    }

    /// Returns the event as members of a channel see it who are not admins: they see themselves and the admins only.
    fn hidden_from_channel_members(self, reader: Option<UserId>) -> Self {
        match self {
            Self::MembersRemoved(mut event) => {
                event.body.user_ids.retain(|user| Some(*user) == reader);
                Self::MembersRemoved(event)
            }
            Self::MemberChanged(event) => {
                let is_shown = event
                    .change
                    .as_ref()
                    .is_none_or(|MemberChange { body, .. }| Some(body.user_id) == reader || body.role >= Role::Admin);
                Self::MemberChanged(if is_shown { event } else { event.without_change() })
            }
            Self::Reactions(mut event) => {
                event.reactions.hide_users();
                Self::Reactions(event)
            }
            event => event,
        }
    }

    /// Returns the frame for members who may see less than the others, if there are such members. The user whom the event is about
    /// does not get it.
    pub(super) fn hidden(&self, kind: ChatKind) -> Option<Hidden> {
        match (self, kind) {
            // In a direct chat it is for a member who has cleared the history.
            (Self::Edited(MessageEditedEvent { message: Some(message), .. }), _) => {
                let frame = json::raw(&self.clone().hidden_before_history());
                Some(Hidden { frame, target_seq: Some(message.seq), for_members: false })
            }
            (Self::MembersRemoved(_) | Self::MemberChanged(_) | Self::Reactions(_), ChatKind::Channel) => {
                let frame = json::raw(&self.clone().hidden_from_channel_members(None));
                Some(Hidden { frame, target_seq: None, for_members: true })
            }
            _ => None,
        }
    }
}

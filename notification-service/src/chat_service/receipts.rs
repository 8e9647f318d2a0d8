//! Calls that move markers, and that record when users were last seen.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use neonchat_common::{
    chat::ChatClass,
    error::{ApiError, ErrorCode},
    ids::{ChatId, UserId},
};
use neonchat_proto::chat::v1::{
    LastSeen, MarkReadManyRequest, MarkReadRequest, MarkedMember, MarkedState, RecordLastSeenRequest,
};
use tonic::Code;

use super::{BACKGROUND_TIMEOUT, ChatService, INTERACTIVE_TIMEOUT, model::to_class};
use crate::hub::Markers;

/// The most receipts of one call.
pub(crate) const MAX_MARKED: usize = 1000;

/// The most users of one call that records when they were last seen.
pub(crate) const MAX_LAST_SEEN: usize = 1000;

/// The calls at the same time to a chat-service that moves only one marker by a call.
const MAX_SINGLE_CALLS: usize = 8;

/// How far the markers of a member are to be moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) chat: ChatId,
    pub(crate) user: UserId,
    pub(crate) markers: Markers,
}

/// The outcome of a receipt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marked {
    /// The markers after it.
    pub(crate) markers: Markers,
    pub(crate) unread_count: i64,
    /// Whether a marker moved, or may have moved.
    pub(crate) has_moved: bool,
    /// The size of the chat; `None` if chat-service is a version that does not tell.
    pub(crate) class: Option<ChatClass>,
    pub(crate) is_group: bool,
}

impl ChatService {
    /// Moves the markers of at most [`MAX_MARKED`] members. Returns the outcome of each receipt; `None` if the user is not a member. If
    /// the call took more than one attempt, the markers count as moved, because an attempt whose answer was lost may have moved them.
    pub(crate) async fn mark_many(&self, receipts: &[Receipt]) -> Result<Vec<Option<Marked>>, ApiError> {
        let members = receipts.iter().copied().map(Receipt::to_wire).collect();
        match self.grpc.call_counted(INTERACTIVE_TIMEOUT, MarkReadManyRequest { members }).await {
            Ok((answer, attempts)) if answer.states.len() == receipts.len() => {
                Ok(answer.states.iter().map(|state| Marked::from_wire(state, attempts > 1)).collect())
            }
            Ok(_) => Err(ApiError::internal("chat-service returned a different number of states than receipts")),
            // A version without the call, during an upgrade.
            Err(status) if status.code() == Code::Unimplemented => {
                let calls = receipts.iter().copied().map(|receipt| self.mark(receipt));
                stream::iter(calls).buffered(MAX_SINGLE_CALLS).try_collect().await
            }
            Err(status) => Err(status.into()),
        }
    }

    /// Moves the read marker of one member.
    async fn mark(&self, receipt: Receipt) -> Result<Option<Marked>, ApiError> {
        let Receipt { chat, user, markers: Markers { read, .. } } = receipt;
        let request = MarkReadRequest { chat_id: chat.to_string(), user_id: user.to_string(), read };
        match self.grpc.call_counted(INTERACTIVE_TIMEOUT, request).await.map_err(ApiError::from) {
            Ok((marked, attempts)) => Ok(Some(Marked {
                markers: Markers { read: marked.read_seq, delivered: marked.read_seq },
                unread_count: marked.unread_count,
                has_moved: marked.changed || attempts > 1,
                class: None,
                is_group: false,
            })),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records when at most [`MAX_LAST_SEEN`] users were last seen, in microseconds since the Unix epoch. Does nothing if chat-service is
    /// a version that does not record it.
    pub(crate) async fn record_last_seen(&self, users: &[(UserId, i64)]) -> Result<(), ApiError> {
        let seen = |&(user, at_micros): &(UserId, i64)| LastSeen { user_id: user.to_string(), at_micros };
        let request = RecordLastSeenRequest { users: users.iter().map(seen).collect() };
        match self.grpc.call(BACKGROUND_TIMEOUT, request).await {
            Err(status) if status.code() != Code::Unimplemented => Err(status.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Receipt {
    fn to_wire(self) -> MarkedMember {
        let Self { chat, user, markers: Markers { read, delivered } } = self;
        MarkedMember { chat_id: chat.to_string(), user_id: user.to_string(), read, delivered }
    }
}

impl Marked {
    fn from_wire(state: &MarkedState, is_repeat: bool) -> Option<Self> {
        state.is_member.then(|| Self {
            markers: Markers { read: state.read_seq, delivered: state.delivered_seq },
            unread_count: state.unread_count,
            has_moved: state.changed || is_repeat,
            class: Some(to_class(state.class())),
            is_group: state.is_group,
        })
    }
}

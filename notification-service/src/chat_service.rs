//! The client of chat-service. It converts to the types of this service and bounds the time of each call.

mod changes;
mod model;
mod receipts;

use std::time::Duration;

use neonchat_common::{
    deployment::Deployment,
    error::ApiError,
    grpc::client::GrpcClient,
    ids::{ChatId, Seq, UserId},
    token::TokenRef,
};
use neonchat_proto::chat::v1::{
    GetDeploymentRequest, GetEventsRequest, GetHeadsRequest, ListChangedUsersRequest, ListUserChatsRequest,
    ListUserChatsResponse, SetDraftRequest, StoreMessagesRequest, ValidateChatAccessRequest,
};
use tonic::{Code, Status};

pub(crate) use self::changes::ClientChange;
pub(crate) use self::model::{
    ChangeOutcome, ChangedUsers, DraftUpdate, EventsPage, HiddenJson, NewMessage, Stored, StoredChange, StoredEvent,
    StoredMessage, parse_extra,
};
use self::model::{parse, parse_time};
pub(crate) use self::receipts::{MAX_LAST_SEEN, MAX_MARKED, Marked, Receipt};
use crate::{hub::UserChat, protocol::NewDraft};

/// The timeout of calls for which a client waits: listing chats for a handshake, or moving a read marker.
const INTERACTIVE_TIMEOUT: Duration = Duration::from_millis(1800);

/// Calls for which no client waits are bounded by `GRPC_TIMEOUT` alone.
const BACKGROUND_TIMEOUT: Duration = Duration::MAX;

/// The timeout of a health check.
const HEALTH_TIMEOUT: Duration = Duration::from_millis(800);

/// The most chats in one `GetHeads` call.
pub(crate) const MAX_HEADS: usize = 1000;

/// The most events in one page.
const EVENTS_PAGE_SIZE: u32 = 200;

/// The most pages of chats that are read for one user.
const MAX_CHAT_PAGES: usize = 100;

/// The client of chat-service.
#[derive(Clone, Debug)]
pub(crate) struct ChatService {
    grpc: GrpcClient,
}

impl ChatService {
    pub(crate) const fn new(grpc: GrpcClient) -> Self {
        Self { grpc }
    }

    /// Returns whether chat-service reports that it serves.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.grpc.is_serving(HEALTH_TIMEOUT).await
    }

    /// Stores messages and returns the outcome of each. A message with an `Ok` outcome is committed.
    pub(crate) async fn store_messages(
        &self,
        messages: impl Iterator<Item = &NewMessage>,
        timeout: Duration,
    ) -> Result<Vec<Result<Stored, ApiError>>, ApiError> {
        // The one call belongs to the trace of each message.
        let (messages, mut calls): (Vec<_>, Vec<_>) = messages.map(NewMessage::to_request).unzip();
        let count = messages.len();
        let answer = self.grpc.call(timeout, StoreMessagesRequest { messages }).await;
        for call in &mut calls {
            call.set_batch_size(count);
            call.end_client_call(answer.as_ref().err().map_or(Code::Ok, Status::code));
        }
        let results = answer?.results;
        if results.len() != count {
            return Err(ApiError::internal("chat-service returned a different number of results than messages"));
        }
        Ok(results.into_iter().map(Stored::from_wire).collect())
    }

    /// Returns a chat if the user is a member of it.
    pub(crate) async fn chat_of(&self, user: UserId, chat: ChatId) -> Result<Option<UserChat>, ApiError> {
        let request = ValidateChatAccessRequest { user_id: user.to_string(), chat_id: chat.to_string() };
        let answer = self.grpc.call(INTERACTIVE_TIMEOUT, request).await?;
        answer.chat.map(UserChat::try_from).transpose()
    }

    /// Returns all chats of a user. Fails with `unauthorized` if `token` is revoked.
    pub(crate) async fn chats_of(&self, user: UserId, token: Option<TokenRef>) -> Result<Vec<UserChat>, ApiError> {
        let mut list = ChatList::default();
        loop {
            let request = list_request(user, token, list.after(), 0);
            let page = self.grpc.call(INTERACTIVE_TIMEOUT, request).await?;
            if list.add(page)? {
                return Ok(list.chats);
            }
        }
    }

    /// Fails with `unauthorized` if the token is revoked.
    pub(crate) async fn check_token(&self, user: UserId, token: TokenRef) -> Result<(), ApiError> {
        let request = list_request(user, Some(token), String::new(), 1);
        self.grpc.call(INTERACTIVE_TIMEOUT, request).await?;
        Ok(())
    }

    /// Lists users whose chats or tokens changed after the `until_micros` of an earlier call.
    pub(crate) async fn changed_users(&self, since_micros: i64) -> Result<ChangedUsers, ApiError> {
        let changed = self.grpc.call(BACKGROUND_TIMEOUT, ListChangedUsersRequest { since_micros }).await?;
        let users = changed.user_ids.iter().map(|id| parse(id)).collect::<Result<_, _>>()?;
        Ok(ChangedUsers { users, until_micros: changed.until_micros })
    }

    /// Stores a member's draft. If the call took more than one attempt, the draft counts as another one than before, because an attempt
    /// whose answer was lost may have stored it.
    pub(crate) async fn set_draft(
        &self,
        user: UserId,
        chat: ChatId,
        draft: &NewDraft,
    ) -> Result<DraftUpdate, ApiError> {
        let request = SetDraftRequest {
            chat_id: chat.to_string(),
            user_id: user.to_string(),
            text: draft.text.as_str().to_owned(),
            reply_to: draft.reply_to.map_or_else(String::new, |message| message.to_string()),
        };
        let (stored, attempts) = self.grpc.call_counted(INTERACTIVE_TIMEOUT, request).await?;
        Ok(DraftUpdate {
            updated_at: parse_time(stored.updated_at_micros)?,
            is_changed: stored.changed || attempts > 1,
        })
    }

    /// Returns the deployment of chat-service's database; `None` if chat-service is a version without deployments.
    pub(crate) async fn deployment(&self) -> Result<Option<Deployment>, ApiError> {
        match self.grpc.call(INTERACTIVE_TIMEOUT, GetDeploymentRequest {}).await {
            Ok(answer) => {
                let id = answer.id.parse().map_err(ApiError::internal)?;
                Ok(Some(Deployment { created_at_micros: answer.created_at_micros, id }))
            }
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// Returns the heads of at most [`MAX_HEADS`] chats.
    pub(crate) async fn heads(&self, chats: &[ChatId]) -> Result<Vec<(ChatId, Seq)>, ApiError> {
        let chat_ids = chats.iter().map(ToString::to_string).collect();
        let heads = self.grpc.call(BACKGROUND_TIMEOUT, GetHeadsRequest { chat_ids }).await?.heads;
        heads.into_iter().map(|head| Ok((parse(&head.chat_id)?, head.last_seq))).collect()
    }

    /// Returns the first page of a chat's events after a `seq`, with the chat's head. With a `member`, these are the events that
    /// exist for the member.
    ///
    /// # Errors
    /// Fails with `not_found` if there is no such chat, or the user is not a member of it.
    pub(crate) async fn events(
        &self,
        chat: ChatId,
        after: Seq,
        member: Option<UserId>,
    ) -> Result<EventsPage, ApiError> {
        let member_id = member.map_or_else(String::new, |member| member.to_string());
        let request = GetEventsRequest { chat_id: chat.to_string(), after, limit: EVENTS_PAGE_SIZE, member_id };
        let page = self.grpc.call(BACKGROUND_TIMEOUT, request).await?;
        let events = page.events.into_iter().map(StoredEvent::try_from).collect::<Result<_, _>>()?;
        Ok(EventsPage { events, head: page.head_seq, first_seq: page.first_seq })
    }
}

/// Returns the request for a page of a user's chats. Without a `token`, none is checked.
fn list_request(user: UserId, token: Option<TokenRef>, after_chat_id: String, limit: u32) -> ListUserChatsRequest {
    let text = |id: Option<String>| id.unwrap_or_default();
    ListUserChatsRequest {
        user_id: user.to_string(),
        after_chat_id,
        limit,
        token_id: text(token.map(|token| token.jti.to_string())),
        session_id: text(token.and_then(|token| token.sid).map(|session| session.to_string())),
        issued_at: token.and_then(|token| token.iat),
    }
}

/// The chats of a user, read in pages.
#[derive(Default)]
struct ChatList {
    chats: Vec<UserChat>,
    /// The number of pages.
    pages: usize,
}

impl ChatList {
    /// Returns the `after_chat_id` of the next page. It is empty for the first one.
    fn after(&self) -> String {
        self.chats.last().map_or_else(String::new, |chat| chat.id.to_string())
    }

    /// Adds the next page. Returns whether it is the last one.
    ///
    /// # Errors
    /// Fails if there are more than [`MAX_CHAT_PAGES`] pages: a part of the list would be taken for all of it.
    fn add(&mut self, page: ListUserChatsResponse) -> Result<bool, ApiError> {
        self.pages += 1;
        if page.has_more && self.pages >= MAX_CHAT_PAGES {
            return Err(ApiError::internal(format!("a user has more than {MAX_CHAT_PAGES} pages of chats")));
        }
        for chat in page.chats {
            self.chats.push(chat.try_into()?);
        }
        Ok(!page.has_more)
    }
}

#[cfg(test)]
mod tests {
    use neonchat_common::error::ErrorCode;
    use neonchat_proto::chat::v1::UserChat as ProtoUserChat;

    use super::*;

    #[test]
    fn fails_if_list_of_chats_is_incomplete() {
        let page = |has_more| {
            let chat = ProtoUserChat { chat_id: ChatId::new().to_string(), ..ProtoUserChat::default() };
            ListUserChatsResponse { chats: vec![chat], has_more }
        };
        for (has_more, expected) in [(false, Ok(true)), (true, Err(ErrorCode::Internal))] {
            let mut list = ChatList::default();
            for _ in 1..MAX_CHAT_PAGES {
                assert!(!list.add(page(true)).expect("add page"));
            }
            assert_eq!(list.add(page(has_more)).map_err(|error| error.code), expected);
        }
    }
}

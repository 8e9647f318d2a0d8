//! chat-service, as this service asks it: with our types in and out, and every wait bounded.

mod model;

use std::time::Duration;

use neonchat_common::{
    deployment::Deployment,
    error::ApiError,
    grpc::client::GrpcClient,
    ids::{ChatId, Seq, TokenId, UserId},
};
use neonchat_proto::chat::v1::{
    GetDeploymentRequest, GetEventsRequest, GetHeadsRequest, ListChangedUsersRequest, ListUserChatsRequest,
    MarkReadRequest, StoreMessagesRequest, ValidateChatAccessRequest,
};
use tonic::{Code, Status};

use self::model::parse;
pub(crate) use self::model::{EventsPage, NewMessage, Stored, StoredEvent, StoredMessage, UserChat};

/// The longest that a client waits for its chats while it connects, or for the answer to a receipt.
const INTERACTIVE_DEADLINE: Duration = Duration::from_millis(1800);

/// A question for which no client waits takes as long as `GRPC_TIMEOUT` lets it.
const BACKGROUND_DEADLINE: Duration = Duration::MAX;

/// The longest that asking after its health takes.
const HEALTH_DEADLINE: Duration = Duration::from_millis(800);

/// The most chats in one question after their heads.
pub(crate) const MAX_HEADS: usize = 1000;

/// The most events in one answer.
const EVENTS_LIMIT: u32 = 200;

/// The most pages of chats that are read for one user.
const MAX_CHAT_PAGES: usize = 100;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct ChatService {
    peer: GrpcClient,
}

impl ChatService {
    pub(crate) const fn new(peer: GrpcClient) -> Self {
        Self { peer }
    }

    /// Whether it says that it serves.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.peer.is_serving(HEALTH_DEADLINE).await
    }

    /// Stores messages, within this time; tells of each what came of it. One with an answer is committed.
    pub(crate) async fn store(
        &self,
        messages: impl Iterator<Item = &NewMessage>,
        within: Duration,
    ) -> Result<Vec<Result<Stored, ApiError>>, ApiError> {
        // The one call is a part of the trace of each message.
        let (messages, mut calls): (Vec<_>, Vec<_>) = messages.map(NewMessage::to_call).unzip();
        let count = messages.len();
        let answer = self.peer.call(within, StoreMessagesRequest { messages }).await;
        for call in &mut calls {
            call.set_batch_size(count);
            call.end_client_call(answer.as_ref().err().map_or(Code::Ok, Status::code));
        }
        let results = answer?.results;
        if results.len() != count {
            return Err(ApiError::internal("chat-service did not answer for each message"));
        }
        Ok(results.into_iter().map(Stored::from_wire).collect())
    }

    /// A chat, where the user is a member of it.
    pub(crate) async fn chat_of(&self, user: UserId, chat: ChatId) -> Result<Option<UserChat>, ApiError> {
        let request = ValidateChatAccessRequest { user_id: user.to_string(), chat_id: chat.to_string() };
        let answer = self.peer.call(INTERACTIVE_DEADLINE, request).await?;
        answer.chat.map(UserChat::try_from).transpose()
    }

    /// All chats of a user, who connects by a token that is refused where it was revoked.
    pub(crate) async fn chats_of(&self, user: UserId, token: Option<TokenId>) -> Result<Vec<UserChat>, ApiError> {
        let token_id = token.map(|token| token.to_string()).unwrap_or_default();
        let mut chats: Vec<UserChat> = Vec::new();
        for _ in 0..MAX_CHAT_PAGES {
            let after_chat_id = chats.last().map(|chat| chat.id.to_string()).unwrap_or_default();
            let request =
                ListUserChatsRequest { user_id: user.to_string(), after_chat_id, limit: 0, token_id: token_id.clone() };
            let page = self.peer.call(INTERACTIVE_DEADLINE, request).await?;
            for chat in page.chats {
                chats.push(chat.try_into()?);
            }
            if !page.has_more {
                break;
            }
        }
        Ok(chats)
    }

    /// Refused where the token was revoked.
    pub(crate) async fn check_token(&self, user: UserId, token: TokenId) -> Result<(), ApiError> {
        let request = ListUserChatsRequest {
            user_id: user.to_string(),
            after_chat_id: String::new(),
            limit: 1,
            token_id: token.to_string(),
        };
        self.peer.call(INTERACTIVE_DEADLINE, request).await?;
        Ok(())
    }

    /// Users whose chats or tokens changed since an earlier call, and what to ask the next one with.
    pub(crate) async fn changed_users(&self, since_micros: i64) -> Result<(Vec<UserId>, i64), ApiError> {
        let changed = self.peer.call(BACKGROUND_DEADLINE, ListChangedUsersRequest { since_micros }).await?;
        let users = changed.user_ids.iter().map(|id| parse(id)).collect::<Result<_, _>>()?;
        Ok((users, changed.until_micros))
    }

    /// A member has read a chat up to a `seq`. Returns up to where that is now, and whether it was moved, or may have been by
    /// an attempt whose answer was lost.
    pub(crate) async fn mark_read(&self, user: UserId, chat: ChatId, read: Seq) -> Result<(Seq, bool), ApiError> {
        let request = MarkReadRequest { chat_id: chat.to_string(), user_id: user.to_string(), read };
        let (marked, attempts) = self.peer.call_counted(INTERACTIVE_DEADLINE, request).await?;
        Ok((marked.read_seq, marked.changed || attempts > 1))
    }

    /// Returns the deployment that its database belongs to; `None` where its version has none.
    pub(crate) async fn deployment(&self) -> Result<Option<Deployment>, ApiError> {
        match self.peer.call(INTERACTIVE_DEADLINE, GetDeploymentRequest {}).await {
            Ok(answer) => {
                let id = answer.id.parse().map_err(ApiError::internal)?;
                Ok(Some(Deployment { created_at_micros: answer.created_at_micros, id }))
            }
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// The last `seq` of each of at most [`MAX_HEADS`] chats.
    pub(crate) async fn heads(&self, chats: &[ChatId]) -> Result<Vec<(ChatId, Seq)>, ApiError> {
        let chat_ids = chats.iter().map(ToString::to_string).collect();
        let heads = self.peer.call(BACKGROUND_DEADLINE, GetHeadsRequest { chat_ids }).await?.heads;
        heads.into_iter().map(|head| Ok((parse(&head.chat_id)?, head.last_seq))).collect()
    }

    /// Returns the first events of a chat after a `seq`, and the head of the chat.
    pub(crate) async fn events(&self, chat: ChatId, after: Seq) -> Result<EventsPage, ApiError> {
        let request = GetEventsRequest { chat_id: chat.to_string(), after, limit: EVENTS_LIMIT };
        let page = self.peer.call(BACKGROUND_DEADLINE, request).await?;
        let events = page.events.into_iter().map(StoredEvent::try_from).collect::<Result<_, _>>()?;
        Ok(EventsPage { events, head: page.head_seq })
    }
}

//! chat-service, as this service asks it: with our types in and out, and every wait bounded.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neonchat_common::{
    deployment::Deployment,
    error::ApiError,
    grpc::client::{Method, Peer},
    ids::{ChatId, MessageId, RequestId, SendId, Seq, TokenId, UserId},
    message::MessageText,
    time, trace,
};
use neonchat_proto::chat::v1::{
    ChatEvent, GetDeploymentRequest, GetEventsRequest, GetHeadsRequest, ListChangedUsersRequest, ListUserChatsRequest,
    MarkReadRequest, Refusal, StoreMessageResult, StoreMessagesRequest, UserChat as ProtoUserChat,
    ValidateAndStoreMessageRequest, ValidateChatAccessRequest, chat_event::Event,
    store_message_result::Result as Outcome,
};
use tonic::{Code, Status};

/// The longest that a client waits for its chats while it connects, or for the answer to a receipt.
const INTERACTIVE_DEADLINE: Duration = Duration::from_millis(1800);

/// A question for which no client waits takes as long as `GRPC_TIMEOUT` lets it.
const BACKGROUND_DEADLINE: Duration = Duration::MAX;

/// The longest that asking after its health takes.
const HEALTH_DEADLINE: Duration = Duration::from_millis(800);

/// The most chats in one question after their heads.
pub(crate) const MAX_HEADS: usize = 1000;

/// The most events in one answer.
const EVENTS_PAGE: u32 = 200;

/// The most pages of chats that are read for one user.
const MAX_CHAT_PAGES: usize = 100;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct ChatService {
    peer: Peer,
}

/// A chat, as one of its members delivers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserChat {
    pub(crate) id: ChatId,
    pub(crate) last_seq: Seq,
    pub(crate) partners: Vec<UserId>,
}

/// A message to be stored.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) chat_id: ChatId,
    pub(crate) sender_id: UserId,
    pub(crate) text: MessageText,
    pub(crate) request_id: RequestId,
    /// All that is done for it, until its sender is answered.
    pub(crate) trace: trace::Span,
}

/// A message that is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) message_id: MessageId,
    pub(crate) seq: Seq,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) duplicate: bool,
}

/// A message of the history.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) id: MessageId,
    pub(crate) chat_id: ChatId,
    pub(crate) sender_id: UserId,
    /// The sender's, where it is known.
    pub(crate) request_id: Option<SendId>,
    pub(crate) text: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) seq: Seq,
}

impl ChatService {
    pub(crate) const fn new(peer: Peer) -> Self {
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
            call.shared_by(count);
            call.answered(answer.as_ref().err().map_or(Code::Ok, Status::code));
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

    /// A member has read a chat up to a `seq`. Returns up to where that is now, and whether it was moved.
    pub(crate) async fn mark_read(&self, user: UserId, chat: ChatId, read: Seq) -> Result<(Seq, bool), ApiError> {
        let request = MarkReadRequest { chat_id: chat.to_string(), user_id: user.to_string(), read };
        let marked = self.peer.call(INTERACTIVE_DEADLINE, request).await?;
        Ok((marked.read_seq, marked.changed))
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

    /// The events of a chat after a `seq`, a page of them; and the head of the chat.
    pub(crate) async fn events(&self, chat: ChatId, after: Seq) -> Result<(Vec<StoredMessage>, Seq), ApiError> {
        let request = GetEventsRequest { chat_id: chat.to_string(), after, limit: EVENTS_PAGE };
        let page = self.peer.call(BACKGROUND_DEADLINE, request).await?;
        let events = page.events.into_iter().map(StoredMessage::try_from).collect::<Result<_, _>>()?;
        Ok((events, page.head_seq))
    }
}

impl NewMessage {
    fn to_call(&self) -> (ValidateAndStoreMessageRequest, trace::Span) {
        let call = trace::Span::part(&self.trace.context(), || {
            trace::rpc_client(StoreMessagesRequest::SERVICE, StoreMessagesRequest::NAME)
        });
        let message = ValidateAndStoreMessageRequest {
            chat_id: self.chat_id.to_string(),
            sender_id: self.sender_id.to_string(),
            text: self.text.as_str().to_owned(),
            request_id: self.request_id.id().to_string(),
            traceparent: call.context().traceparent(),
        };
        (message, call)
    }
}

impl Stored {
    fn from_wire(result: StoreMessageResult) -> Result<Self, ApiError> {
        match result.result {
            Some(Outcome::Stored(stored)) => Ok(Self {
                message_id: parse(&stored.message_id)?,
                seq: stored.seq,
                created_at: time::from_micros(stored.created_at_micros),
                duplicate: stored.duplicate,
            }),
            Some(Outcome::Refused(Refusal { code, detail })) => Err(ApiError::told(&code, detail)),
            None => Err(ApiError::internal("chat-service answered without a result")),
        }
    }

    /// The message that was stored so.
    pub(crate) fn message(&self, sent: &NewMessage) -> StoredMessage {
        StoredMessage {
            id: self.message_id,
            chat_id: sent.chat_id,
            sender_id: sent.sender_id,
            request_id: Some(sent.request_id.id()),
            text: sent.text.as_str().to_owned(),
            created_at: self.created_at,
            updated_at: self.created_at,
            seq: self.seq,
        }
    }
}

impl TryFrom<ProtoUserChat> for UserChat {
    type Error = ApiError;

    fn try_from(chat: ProtoUserChat) -> Result<Self, ApiError> {
        let partners = chat.partner_ids.iter().map(|id| parse(id)).collect::<Result<_, _>>()?;
        Ok(Self { id: parse(&chat.chat_id)?, last_seq: chat.last_seq, partners })
    }
}

impl TryFrom<ChatEvent> for StoredMessage {
    type Error = ApiError;

    fn try_from(event: ChatEvent) -> Result<Self, ApiError> {
        let Some(Event::MessageCreated(message)) = event.event else {
            return Err(ApiError::internal("chat-service sent an event of a kind that is not known here"));
        };
        Ok(Self {
            id: parse(&message.id)?,
            chat_id: parse(&message.chat_id)?,
            sender_id: parse(&message.sender_id)?,
            request_id: Some(parse(&message.request_id)?),
            text: message.text,
            created_at: time::from_micros(message.created_at_micros),
            updated_at: time::from_micros(message.updated_at_micros),
            seq: message.seq,
        })
    }
}

fn parse<T: std::str::FromStr<Err = uuid::Error>>(id: &str) -> Result<T, ApiError> {
    id.parse().map_err(|_| ApiError::internal("chat-service answered with an id that is no UUID"))
}

//! Forwards messages to another chat: copies of what they say, with where they come from.

use neonchat_common::{
    correlation,
    ids::{ChatId, MessageId, SendId, UserId},
};
use uuid::Uuid;

use super::{
    error::MessageError,
    extra::{Entity, EntityKind, Extra, Forward},
    model::{Message, NewMessage, Rich},
    service::Messages,
    store,
};

/// Messages to be forwarded.
pub(super) struct Forwarding {
    pub(super) sender: UserId,
    pub(super) from: ChatId,
    pub(super) to: ChatId,
    /// 1 to 100, each once, in the order of the copies.
    pub(super) messages: Vec<MessageId>,
    /// The idempotency key of all of them.
    pub(super) request_id: SendId,
}

/// Forwarded messages.
pub(super) struct Forwarded {
    pub(super) messages: Vec<Message>,
    /// Whether an earlier request stored all of them.
    pub(super) is_duplicate: bool,
}

impl Forwarding {
    /// Returns the `request_id` of each copy, which depends on the request and the message alone.
    fn requests(&self) -> Vec<SendId> {
        let name = |message: &MessageId| message.0.hyphenated().to_string();
        let request = |message| SendId(Uuid::new_v5(&self.request_id.0, name(message).as_bytes()));
        self.messages.iter().map(request).collect()
    }
}

impl Messages {
    /// Forwards messages, or finds the copies that an earlier request with this `request_id` stored. `Ok` means that all are committed.
    /// The work continues if the caller is cancelled.
    ///
    /// # Errors
    /// If a message does not exist for the sender, none is forwarded. If a limit refuses one of them, those before it are stored, and a
    /// repetition of the request stores the others.
    pub(super) async fn forward(&self, forwarding: Forwarding) -> Result<Forwarded, MessageError> {
        let messages = self.clone();
        let work = async move { messages.forward_all(forwarding).await };
        self.tasks.spawn(correlation::in_current_scope(work)).await.unwrap_or(Err(MessageError::ShuttingDown))
    }

    async fn forward_all(&self, forwarding: Forwarding) -> Result<Forwarded, MessageError> {
        let Forwarding { sender, from, to, ref messages, .. } = forwarding;
        let requests = forwarding.requests();
        let mut copies = store::find_sent(&self.db, sender, &requests).await?;
        if copies.values().any(|copy| copy.chat_id != to) {
            return Err(MessageError::IdempotencyMismatch);
        }
        let missing: Vec<_> =
            messages.iter().zip(&requests).filter(|(_, request)| !copies.contains_key(request)).collect();
        let is_duplicate = missing.is_empty();
        if is_duplicate {
            // A copy is shown only to members.
            store::access_of(&self.db, sender, to).await?;
        } else {
            for copy in self.copy(sender, (from, to), &missing).await? {
                copies.extend(copy.request_id.map(|request| (SendId(request), copy)));
            }
        }
        let messages = requests.iter().filter_map(|request| copies.remove(request)).collect();
        Ok(Forwarded { messages, is_duplicate })
    }

    /// Copies messages, each with its `request_id`.
    async fn copy(
        &self,
        sender: UserId,
        (from, to): (ChatId, ChatId),
        wanted: &[(&MessageId, &SendId)],
    ) -> Result<Vec<Message>, MessageError> {
        if store::is_protected(&self.db, store::access_of(&self.db, sender, from).await?).await? {
            return Err(MessageError::Protected);
        }
        let ids: Vec<_> = wanted.iter().map(|(message, _)| **message).collect();
        let found = store::by_ids(&self.db, sender, from, &ids).await?.messages;
        let copy = |(message, request): &(&MessageId, &SendId)| {
            let source = found.iter().find(|found| found.id == **message && !found.is_deleted);
            source.and_then(|source| source.copy(sender, to, **request)).ok_or(MessageError::NoSuchMessage)
        };
        let new = wanted.iter().map(copy).collect::<Result<Vec<_>, _>>()?;
        let outcomes = self.submit(new.clone()).await?;
        let mut copies = Vec::with_capacity(new.len());
        for (sent, outcome) in new.into_iter().zip(outcomes) {
            let message = Message::new(sent, outcome?.into_inner());
            self.deliver(&message);
            copies.push(message);
        }
        Ok(copies)
    }
}

impl Message {
    /// Returns a copy to be sent by another user to another chat. It mentions nobody.
    fn copy(&self, sender: UserId, chat: ChatId, request_id: SendId) -> Option<NewMessage> {
        let origin = Forward { sender_id: self.sender_id, sent_at: self.created_at };
        let is_kept = |entity: &&Entity| !matches!(entity.kind, EntityKind::Mention | EntityKind::MentionAll);
        let extra = Extra {
            entities: self.extra.entities.iter().filter(is_kept).cloned().collect(),
            forward: Some(self.extra.forward.unwrap_or(origin)),
            ..Extra::default()
        };
        Some(NewMessage {
            chat,
            sender,
            text: self.text.clone().try_into().ok()?,
            request_id,
            trace: correlation::current_trace(),
            given: None,
            rich: Some(Box::new(Rich { extra, counted: Vec::new() })),
            is_passive: false,
        })
    }
}

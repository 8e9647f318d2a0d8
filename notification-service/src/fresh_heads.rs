//! The heads of chats at a time after the question, for clients that catch up. Questions that wait at the same time share one call, so
//! thousands of clients that come back at once cost a few.

use std::collections::{HashMap, HashSet};

use neonchat_common::{
    batch::{BatchSize, recv_batch},
    ids::{ChatId, Seq},
    tasks::Tasks,
};
use tokio::sync::{mpsc, oneshot};

use crate::chat_service::{ChatService, MAX_HEADS};

/// The most questions that wait. Further ones wait for room.
const MAX_QUEUED: usize = 4096;

/// A batch that has reached this size takes no further questions.
const MAX_BATCH: BatchSize = BatchSize { messages: MAX_HEADS, bytes: usize::MAX };

/// Asks chat-service for heads.
#[derive(Debug)]
pub(crate) struct FreshHeads {
    questions: mpsc::Sender<Question>,
}

#[derive(Debug)]
struct Question {
    chat: ChatId,
    answer: oneshot::Sender<Seq>,
}

impl FreshHeads {
    /// Starts the worker.
    pub(crate) fn start(chat_service: &ChatService, tasks: &Tasks) -> Self {
        let (questions, queue) = mpsc::channel(MAX_QUEUED);
        let (chat_service, stopped) = (chat_service.clone(), tasks.stop_token());
        tasks.spawn(async move {
            let mut queue = queue;
            let size = |_: &Question| BatchSize { messages: 1, bytes: 0 };
            while let Some(batch) = recv_batch(&mut queue, &stopped, MAX_BATCH, size).await {
                answer(&chat_service, batch).await;
            }
        });
        Self { questions }
    }

    /// Returns the head of a chat: every event that was stored before this call has at most this `seq`. Returns `None` if
    /// chat-service does not answer, or does not have the chat.
    pub(crate) async fn head(&self, chat: ChatId) -> Option<Seq> {
        let (answer, head) = oneshot::channel();
        self.questions.send(Question { chat, answer }).await.ok()?;
        head.await.ok()
    }
}

/// Answers questions by one call, which begins after each of them was asked.
async fn answer(chat_service: &ChatService, questions: Vec<Question>) {
    let chats: HashSet<_> = questions.iter().map(|question| question.chat).collect();
    match chat_service.heads(&chats.into_iter().collect::<Vec<_>>()).await {
        Ok(heads) => {
            let heads: HashMap<_, _> = heads.into_iter().collect();
            for Question { chat, answer } in questions {
                if let Some(head) = heads.get(&chat) {
                    // The client may have gone.
                    let _ = answer.send(*head);
                }
            }
        }
        Err(error) => tracing::warn!(error.cause = %error, "heads for catch-up could not be fetched"),
    }
}

//! Sends scheduled messages when they are due.
//!
//! An instance claims some of the due messages, stores them with the `request_id` that they were scheduled with, and deletes their
//! rows. If it dies in between, the claim ends after some time and another instance does the same: what is stored already is a
//! repetition. So each message is sent once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use metrics::counter;
use neonchat_common::{
    correlation,
    error::{ApiError, ErrorCode, Reason},
    ids::{ChatId, ScheduledId},
    json,
};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::{
    model::{Body, Due},
    service::Scheduled,
    store::{self, Postponed},
};
use crate::{
    db::DbResult,
    messages::{
        error::MessageError,
        given::Given,
        model::{Message, NewMessage, StoreOutcome},
    },
};

/// The number of scheduled messages that were handled, by outcome.
pub(crate) const SCHEDULED_TOTAL: &str = "chat_scheduled_messages_total";

/// How often due messages are looked for at least. Another instance may have scheduled them.
const INTERVAL: Duration = Duration::from_secs(1);

/// The pause after a failure of the database.
const RETRY: Duration = Duration::from_secs(1);

/// The most messages that one statement stores. It keeps other messages waiting.
const AT_ONCE: usize = 12;

/// The least pause between two statements, so that messages that are sent at once get their turn. It is as long as the statement
/// took, so under load the task takes at most half of the time.
const PAUSE: Duration = Duration::from_millis(2);

/// How long an instance sends the messages that it claimed. It gives the others back, before their claims end.
const SENDING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an instance tries to record what became of the messages that it claimed. Their claims end later.
const SETTLING_PATIENCE: Duration = Duration::from_secs(20);

/// How long the next messages wait for the delivery of these ones.
const DELIVERY_PATIENCE: Duration = Duration::from_millis(100);

/// How long after its time a message is still tried, in a chat that takes no message at the moment.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(1);

/// What became of a message.
enum Fate {
    Sent(Box<Message>),
    /// It was sent, and changed since: notification-service finds it by a resync.
    SentBefore,
    Refused(ApiError),
    /// It is tried again after this time.
    Postponed(Duration),
    /// It may be stored: something failed.
    Unknown,
    /// It may be stored: the database is away, or the service is about to end. So are the messages after it.
    Away,
}

/// What becomes of the rows of claimed messages.
#[derive(Default)]
struct Settled<'a> {
    finished: Vec<ScheduledId>,
    postponed: Vec<Postponed>,
    /// Their senders are told when the rows are gone: nobody is told of a failure that is tried again.
    refused: Vec<(&'a Due, ApiError)>,
}

impl Settled<'_> {
    fn postpone(&mut self, due: &Due, wait: Option<Duration>, is_claimed: bool) {
        self.postponed.push(Postponed { id: due.id, wait, is_claimed });
    }
}

/// The frame that tells a user that a scheduled message is not sent.
#[derive(Serialize)]
#[serde(tag = "type", rename = "scheduled_failed")]
pub(crate) struct ScheduledFailed {
    pub(crate) scheduled_id: ScheduledId,
    pub(crate) chat_id: ChatId,
    /// Why, as in an error.
    pub(crate) code: ErrorCode,
    /// Why it is forbidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
}

/// Starts the task. Several instances may do it at the same time.
pub(super) fn start(scheduled: Scheduled) {
    let stopped = scheduled.tasks.stop_token();
    scheduled.tasks.clone().spawn(async move {
        let mut pause = Duration::ZERO;
        // The rows of what is claimed are settled before the task ends.
        while stopped.run_until_cancelled(sleep(pause)).await.is_some() {
            pause = scheduled.send_due().await.unwrap_or_else(|error| {
                tracing::warn!(error.cause = %error, "scheduled messages could not be sent, retrying later");
                RETRY
            });
        }
    });
}

impl Scheduled {
    /// Sends some of the due messages. Returns the pause before the next ones.
    async fn send_due(&self) -> Result<Duration, MessageError> {
        let mut due = store::claim(&self.db).await?;
        if due.is_empty() {
            return Ok(store::until_next(&self.db).await?.map_or(INTERVAL, |next| next.min(INTERVAL)));
        }
        let began = Instant::now();
        // In the order in which their sender wants them.
        due.sort_by_key(|due| (due.send_at, due.id));
        let (mut settled, mut is_away) = (Settled::default(), false);
        let mut parts = due.chunks(AT_ONCE);
        for part in parts.by_ref() {
            is_away = self.send_some(part, &mut settled).await;
            if is_away || began.elapsed() > SENDING_TIMEOUT {
                break;
            }
        }
        for due in parts.flatten() {
            settled.postpone(due, None, due.may_be_stored);
        }
        self.settle(began + SETTLING_PATIENCE, &settled).await?;
        for (due, error) in &settled.refused {
            self.tell(due, error).await;
        }
        Ok(if is_away { RETRY } else { Duration::ZERO })
    }

    /// Sends messages with one statement, and pauses. Returns whether the database is away.
    async fn send_some<'a>(&self, due: &'a [Due], settled: &mut Settled<'a>) -> bool {
        let began = Instant::now();
        let fates = self.send(due).await;
        let pause = began.elapsed().max(PAUSE);
        let (mut delivered, mut is_away) = (Vec::new(), false);
        for (due, fate) in due.iter().zip(fates) {
            let status = match &fate {
                Fate::Sent(_) | Fate::SentBefore => "sent",
                Fate::Refused(_) => "refused",
                Fate::Postponed(_) | Fate::Unknown | Fate::Away => "postponed",
            };
            counter!(SCHEDULED_TOTAL, "status" => status).increment(1);
            match fate {
                Fate::Postponed(wait) => settled.postpone(due, Some(wait), false),
                Fate::Unknown => settled.postpone(due, Some(RETRY), true),
                Fate::Away => {
                    is_away = true;
                    settled.postpone(due, None, true);
                }
                Fate::SentBefore => settled.finished.push(due.id),
                Fate::Sent(message) => {
                    settled.finished.push(due.id);
                    let (notifier, event) = (self.notifier.clone(), (&*message).into());
                    delivered.push(self.tasks.spawn(async move { notifier.message_stored(event).await }));
                }
                Fate::Refused(error) => {
                    settled.finished.push(due.id);
                    settled.refused.push((due, error));
                }
            }
        }
        // Deliveries end by themselves. They only slow the task down if there are too many of them.
        let _ = tokio::join!(timeout(DELIVERY_PATIENCE, join_all(delivered)), sleep(pause));
        is_away
    }

    /// Records what became of messages. If the database is away, it is tried again: otherwise the messages would stay claimed for a while.
    async fn settle(&self, deadline: Instant, settled: &Settled<'_>) -> DbResult<()> {
        let stopped = self.tasks.stop_token();
        loop {
            let result = store::settle(&self.db, &settled.finished, &settled.postponed).await;
            let is_last = result.is_ok() || Instant::now() + RETRY > deadline;
            if is_last || stopped.run_until_cancelled(sleep(RETRY)).await.is_none() {
                return result;
            }
        }
    }

    /// Stores the messages. Returns the fate of each.
    async fn send(&self, due: &[Due]) -> Vec<Fate> {
        let messages: Vec<_> = due.iter().map(message).collect();
        let readable: Vec<_> = messages.iter().flatten().cloned().collect();
        let outcomes = match self.messages.submit(readable.clone()).await {
            Ok(outcomes) => outcomes,
            Err(error) => vec![Err(error); readable.len()],
        };
        let mut outcomes = readable.into_iter().zip(outcomes);
        let now = Utc::now();
        let fate = |(due, message): (&Due, Option<NewMessage>)| match message.and_then(|_| outcomes.next()) {
            Some((sent, outcome)) => fate(sent, outcome, due.send_at, now),
            None => Fate::Refused(ApiError::internal("a scheduled message cannot be read")),
        };
        due.iter().zip(messages).map(fate).collect()
    }

    /// Tells the sender that a message is not sent.
    async fn tell(&self, due: &Due, error: &ApiError) {
        let &Due { id, chat, sender, .. } = due;
        tracing::info!(scheduled.id = %id, chat.id = %chat, user.id = %sender, error.code = error.code.as_str(), "scheduled message refused");
        let frame = ScheduledFailed { scheduled_id: id, chat_id: chat, code: error.code, reason: error.reason };
        self.notifier.personal(sender, chat, &json::raw(&frame)).await;
    }
}

fn message(due: &Due) -> Option<NewMessage> {
    let Body { text, given } = serde_json::from_value(due.body.clone()).ok()?;
    let given = (given != Given::default()).then(|| Box::new(given));
    let &Due { chat, sender, request_id, .. } = due;
    let trace = correlation::current_trace();
    Some(NewMessage { chat, sender, text, request_id, trace, given, rich: None, is_passive: true })
}

fn fate(
    sent: NewMessage,
    outcome: Result<StoreOutcome, MessageError>,
    send_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Fate {
    let error = match outcome {
        Ok(outcome) => {
            let stored = outcome.into_inner();
            let is_shown = stored.kind.is_some() && !stored.is_changed;
            return if is_shown { Fate::Sent(Box::new(Message::new(sent, stored))) } else { Fate::SentBefore };
        }
        Err(error) => ApiError::from(error),
    };
    let wait = error.retry_after.unwrap_or(RETRY);
    let is_late = TimeDelta::from_std(wait).is_ok_and(|wait| now + wait > send_at + GIVE_UP_AFTER);
    match error.code {
        // If the database is away, nothing can be recorded, so the message is not given up.
        ErrorCode::Unavailable => Fate::Away,
        ErrorCode::Internal if !is_late => Fate::Unknown,
        _ if error.is_retryable() && !is_late => Fate::Postponed(wait),
        _ => Fate::Refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");

    #[test]
    fn protocol_has_the_frame_as_it_is_encoded() {
        let frame = ScheduledFailed {
            scheduled_id: "01890a5d-ac96-774b-bcce-b302099a8060".parse().expect("parse UUID"),
            chat_id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("parse UUID"),
            code: ErrorCode::Forbidden,
            reason: Some(Reason::Restricted),
        };
        let frame = json::text(&frame);
        assert!(PROTOCOL.contains(&format!("```json\n{frame}\n```")), "{frame}");
    }

    #[test]
    fn gives_up_only_what_cannot_be_sent() {
        let message = || NewMessage {
            chat: ChatId::new(),
            sender: neonchat_common::ids::UserId::new(),
            text: "x".to_owned().try_into().expect("parse text"),
            request_id: neonchat_common::ids::SendId::new(),
            trace: correlation::current_trace(),
            given: None,
            rich: None,
            is_passive: true,
        };
        let (now, wait) = (Utc::now(), Duration::from_secs(5));
        let after = |minutes, error| fate(message(), Err(error), now - TimeDelta::minutes(minutes), now);
        let slow = || MessageError::SlowMode { wait };
        assert!(matches!(after(0, slow()), Fate::Postponed(postponed) if postponed == wait));
        assert!(matches!(after(59, MessageError::TooManyMessages { wait }), Fate::Postponed(_)));
        assert!(matches!(after(61, slow()), Fate::Refused(error) if error.reason == Some(Reason::SlowMode)));
        assert!(matches!(after(0, MessageError::Role), Fate::Refused(_)));
        assert!(matches!(after(600, MessageError::ShuttingDown), Fate::Away));
        assert!(matches!(after(0, MessageError::UnknownVerdict(99)), Fate::Unknown));
        assert!(matches!(after(600, MessageError::UnknownVerdict(99)), Fate::Refused(_)));
    }
}

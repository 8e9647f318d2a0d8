//! A person of the demo: a client of the SDK, and what it prints.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context as _, bail};
use neonchat_client::{
    Ack, Builder, Change, ChatId, Client, Error, Event, Events, Frame, Message, RestRequest, Sending, Status, UserId,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{done, show};
use crate::client::{PASSWORD, retry};

/// The longest wait for an event. The slowest case, a lost publication, is repaired within 10 s.
const EVENT_TIMEOUT: Duration = Duration::from_secs(20);

/// A user with a client.
pub(crate) struct Person {
    /// How the transcript calls the user.
    pub(super) name: &'static str,
    pub(super) username: String,
    pub(super) id: UserId,
    pub(crate) client: Client,
    events: Events,
    /// What came before it was expected: events of different kinds have no order.
    early: VecDeque<Event>,
}

impl Person {
    /// Registers a user and logs in.
    pub(super) async fn register(builder: Builder, name: &'static str, username: &str) -> anyhow::Result<Self> {
        // What is delivered would be told at any time.
        let client = builder.delivered(false).build()?;
        retry(async || match client.register(username, PASSWORD).await {
            // The answer to the first attempt was lost.
            Err(error) if error.code() == "username_taken" => Ok(()),
            other => Ok(other.map(drop)?),
        })
        .await?;
        retry(async || Ok(client.login(username, PASSWORD).await?)).await?;
        let id = client.session().context("signed in, and without a session")?.user_id();
        done(&format!("{username} is {id} and has a token"));
        let (username, events) = (username.to_owned(), client.events());
        Ok(Self { name, username, id, client, events, early: VecDeque::new() })
    }

    pub(super) async fn connect(&self) -> anyhow::Result<()> {
        self.client.start().await?;
        let mut states = self.client.states();
        timeout(EVENT_TIMEOUT, states.wait_for(|state| *state == Status::Live))
            .await
            .context("not connected in time")??;
        done(&format!("{} is connected", self.username));
        Ok(())
    }

    /// Calls the API, and prints the answer.
    pub(super) async fn call(&self, how: &str, request: RestRequest) -> anyhow::Result<Value> {
        let answer = request.send().await.with_context(|| how.to_owned())?;
        show(self.name, how, &answer);
        Ok(answer)
    }

    /// Calls the API, and prints why it refuses.
    pub(super) async fn call_refused(&self, how: &str, request: RestRequest, status: u16) -> anyhow::Result<()> {
        match request.send::<Value>().await {
            Err(Error::Api(problem)) if problem.status == status => {
                show(self.name, &format!("{how} → {status}"), &problem.body);
                Ok(())
            }
            other => bail!("{how} was not refused with {status}: {other:?}"),
        }
    }

    /// Waits for the answer to a message or change, and prints it.
    pub(super) async fn acknowledged(&self, how: &str, sending: Sending) -> anyhow::Result<Ack> {
        let ack = timeout(EVENT_TIMEOUT, sending).await.with_context(|| how.to_owned())??;
        show(self.name, &format!("{how} and gets"), &json!(ack));
        Ok(ack)
    }

    /// Sends a message, and prints the answer.
    pub(super) async fn send(&self, chat: ChatId, text: &str) -> anyhow::Result<Ack> {
        let sending = self.client.send(chat, text).await?;
        self.acknowledged(&format!("sends «{text}»"), sending).await
    }

    /// Waits for an event, and prints it.
    pub(crate) async fn expect<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> anyhow::Result<T> {
        let (early, events) = (&mut self.early, &mut self.events);
        let found = timeout(EVENT_TIMEOUT, async {
            if let Some((place, found)) = early.iter().enumerate().find_map(|(n, event)| Some((n, pick(event)?))) {
                return early.remove(place).map(|event| (json!(event), found));
            }
            while let Some(event) = events.next().await {
                match pick(&event) {
                    Some(found) => return Some((json!(event), found)),
                    None => early.push_back(event),
                }
            }
            None
        });
        let found = found.await.with_context(|| format!("{}: not in time: {what}", self.name))?;
        let (event, found) = found.with_context(|| format!("the client of {} has ended before {what}", self.name))?;
        show(self.name, &format!("receives {}", event["event"].as_str().unwrap_or_default()), &event["data"]);
        Ok(found)
    }

    /// Waits for a message with this text.
    pub(super) async fn expect_message(&mut self, text: &str) -> anyhow::Result<Message> {
        let pick = |event: &Event| match event {
            Event::Message(new) if new.message.text == text => Some(new.message.clone()),
            _ => None,
        };
        self.expect(&format!("the message «{text}»"), pick).await
    }

    /// Waits for a change of a chat.
    pub(super) async fn expect_change(
        &mut self,
        what: &str,
        mut is_it: impl FnMut(&Change, &Frame) -> bool,
    ) -> anyhow::Result<()> {
        let pick = |event: &Event| match event {
            Event::Frame(frame) if is_it(&frame.change(), frame) => Some(()),
            _ => None,
        };
        self.expect(what, pick).await
    }
}

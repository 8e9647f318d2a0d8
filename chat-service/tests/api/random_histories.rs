//! Random histories of a chat, compared with a model in memory.

use std::collections::BTreeMap;

use neonchat_common::error::ErrorCode;
use neonchat_testbed::client::User;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng},
};
use serde_json::{Value, json};

use crate::support::TestApp;

/// The steps of one history.
const STEPS: usize = 60;

/// The number of histories.
const HISTORIES: u32 = 12;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send {
        user: usize,
    },
    /// Edits the message with the number, modulo the number of messages.
    Edit {
        user: usize,
        message: usize,
        text: u8,
    },
    /// Deletes this number of messages from the one on.
    Delete {
        user: usize,
        message: usize,
        count: usize,
    },
    /// Reads up to the `seq`, modulo the head.
    Read {
        user: usize,
        seq: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (user, any) = (0..2_usize, 0..1000_usize);
    prop_oneof![
        3 => user.clone().prop_map(|user| Step::Send { user }),
        3 => (user.clone(), any.clone(), 0..3_u8).prop_map(|(user, message, text)| Step::Edit { user, message, text }),
        2 => (user.clone(), any.clone(), 1..4_usize)
            .prop_map(|(user, message, count)| Step::Delete { user, message, count }),
        2 => (user, any).prop_map(|(user, seq)| Step::Read { user, seq }),
    ]
}

struct Message {
    id: String,
    sender: usize,
    text: String,
    is_deleted: bool,
}

#[derive(Default)]
struct Model {
    /// By `seq`.
    messages: BTreeMap<i64, Message>,
    /// The types of the events, in order.
    events: Vec<&'static str>,
    read: [i64; 2],
}

impl Model {
    fn head(&self) -> i64 {
        self.events.len().try_into().expect("number of events")
    }

    fn nth(&self, message: usize) -> Option<i64> {
        let seqs: Vec<_> = self.messages.keys().copied().collect();
        (!seqs.is_empty()).then(|| seqs[message % seqs.len()])
    }

    /// Counts by looking at each message.
    fn unread(&self, user: usize) -> usize {
        let read = self.read[user];
        let is_unread =
            |(seq, message): &(&i64, &Message)| **seq > read && message.sender != user && !message.is_deleted;
        self.messages.iter().filter(is_unread).count()
    }
}

struct History<'a> {
    app: &'a TestApp,
    users: [User; 2],
    chat: String,
    model: Model,
}

impl History<'_> {
    async fn run(&mut self, step: Step) {
        match step {
            Step::Send { user } => self.send(user).await,
            Step::Edit { user, message, text } => self.edit(user, message, text).await,
            Step::Delete { user, message, count } => self.delete(user, message, count).await,
            Step::Read { user, seq } => self.read(user, seq).await,
        }
    }

    async fn send(&mut self, sender: usize) {
        let text = format!("sent {}", self.model.head());
        let stored = self.app.send(&self.chat, &self.users[sender], &text).await;
        self.model.events.push("message");
        assert_eq!(stored.seq, self.model.head());
        self.model.messages.insert(stored.seq, Message { id: stored.message_id, sender, text, is_deleted: false });
        self.model.read[sender] = stored.seq;
    }

    async fn edit(&mut self, user: usize, message: usize, text: u8) {
        let Some(seq) = self.model.nth(message) else { return };
        let text = format!("edited {text}");
        let path = format!("/api/v1/chats/{}/messages/{}", self.chat, self.model.messages[&seq].id);
        let token = &self.users[user].token;
        let answer =
            self.app.api.call("PATCH", &path, Some(token), Some(&json!({ "text": text }))).await.expect("call");
        let message = self.model.messages.get_mut(&seq).expect("message");
        let expected = match message {
            Message { is_deleted: true, .. } => json!(ErrorCode::NotFound),
            Message { sender, .. } if *sender != user => json!(ErrorCode::Forbidden),
            Message { text: old, .. } if *old == text => Value::Null,
            message => {
                message.text = text;
                self.model.events.push("message_edited");
                json!(self.model.head())
            }
        };
        let got = if answer.status == 200 { &answer.body["event_seq"] } else { &answer.body["code"] };
        assert_eq!(*got, expected, "{answer:?}");
    }

    async fn delete(&mut self, user: usize, message: usize, count: usize) {
        let Some(seq) = self.model.nth(message) else { return };
        let chosen: Vec<i64> = self.model.messages.range(seq..).take(count).map(|(seq, _)| *seq).collect();
        let ids: Vec<_> = chosen.iter().map(|seq| self.model.messages[seq].id.clone()).collect();
        let path = format!("/api/v1/chats/{}/messages/delete", self.chat);
        let answer = self.app.post(&path, &self.users[user], &json!({ "ids": ids })).await;
        let alive: Vec<_> = chosen.into_iter().filter(|seq| !self.model.messages[seq].is_deleted).collect();
        let expected = if alive.iter().any(|seq| self.model.messages[seq].sender != user) {
            json!(ErrorCode::Forbidden)
        } else if alive.is_empty() {
            Value::Null
        } else {
            for seq in alive {
                let message = self.model.messages.get_mut(&seq).expect("message");
                (message.is_deleted, message.text) = (true, String::new());
            }
            self.model.events.push("messages_deleted");
            json!(self.model.head())
        };
        let got = if answer.status == 200 { &answer.body["seq"] } else { &answer.body["code"] };
        assert_eq!(*got, expected, "{answer:?}");
    }

    async fn read(&mut self, user: usize, seq: usize) {
        let seq = i64::try_from(seq).expect("seq") % (self.model.head() + 1);
        let path = format!("/api/v1/chats/{}/receipt", self.chat);
        let answer = self.app.put(&path, &self.users[user], &json!({ "read": seq })).await;
        self.model.read[user] = self.model.read[user].max(seq);
        let expected = json!({ "read_seq": self.model.read[user], "unread_count": self.model.unread(user) });
        assert_eq!(answer.body, expected);
    }

    /// Compares what each user sees with the model.
    async fn compare(&self) {
        for (index, user) in self.users.iter().enumerate() {
            let item = self.app.get(&format!("/api/v1/chats/{}", self.chat), user).await.body;
            let alive = |message: &&Message| !message.is_deleted;
            let last =
                self.model.messages.values().rev().find(alive).map_or(Value::Null, |message| json!(message.text));
            let expected = json!([self.model.head(), self.model.unread(index), self.model.read[index], last]);
            let shown = json!([item["last_seq"], item["unread_count"], item["read_seq"], item["last_message"]["text"]]);
            assert_eq!(shown, expected);
            let unread = self.app.get("/api/v1/chats?unread_only=true", user).await.body;
            assert_eq!(unread["total"], i64::from(self.model.unread(index) > 0));

            let history = self.app.get(&format!("/api/v1/chats/{}/messages?limit=200", self.chat), user).await.body;
            let shown = history["messages"].as_array().expect("array of messages").iter().rev();
            let shown: Vec<_> =
                shown.map(|message| json!([message["seq"], message["text"], message["deleted"]])).collect();
            let expected = self
                .model
                .messages
                .iter()
                .map(|(seq, message)| json!([seq, message.text, message.is_deleted.then_some(true)]));
            assert_eq!(shown, expected.collect::<Vec<_>>());

            let events = self.app.get(&format!("/api/v1/chats/{}/events?limit=1000", self.chat), user).await.body;
            let shown = events["events"].as_array().expect("array of events").iter();
            let shown: Vec<_> = shown.map(|event| json!([event["seq"], event["type"]])).collect();
            let expected = self.model.events.iter().zip(1..).map(|(kind, seq): (_, i64)| json!([seq, kind]));
            assert_eq!(shown, expected.collect::<Vec<_>>());
        }
    }
}

#[test]
fn random_histories_equal_the_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("start runtime");
    let app = runtime.block_on(TestApp::start());
    // Always the same histories: each failure can be repeated.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: HISTORIES, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(step(), STEPS);
    proptest::test_runner::TestRunner::new_with_rng(config, rng)
        .run(&steps, |steps| {
            runtime.block_on(async {
                let (a, b, chat) = app.pair().await;
                let mut history = History { app: &app, users: [a, b], chat, model: Model::default() };
                for step in steps {
                    history.run(step).await;
                }
                history.compare().await;
            });
            Ok(())
        })
        .expect("histories equal the model");
}

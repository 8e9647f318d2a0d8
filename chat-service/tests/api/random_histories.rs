//! Random histories of a chat, compared with a model in memory.

mod model;

use neonchat_common::error::ErrorCode;
use neonchat_testbed::client::{Answer, User};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use self::model::{ADMIN, MEMBER, Model, OWNER};
use crate::support::TestApp;

/// The steps of one history.
const STEPS: usize = 60;

/// The number of histories of each kind of chat.
const HISTORIES: u32 = 12;

/// The users of a group. Some of them are members at the beginning.
const USERS: usize = 5;

/// The emoji of reactions: more than a user can have.
const EMOJI: [&str; 5] = ["👍", "❤️", "🎉", "😀", "👍🏽"];

/// What a user does. Numbers of users and messages, and a `seq`, are taken modulo how many there are.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sends a message that may mention a user and answer a message.
    Send {
        user: usize,
        mentions: Option<usize>,
        reply_to: Option<usize>,
    },
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
    /// Reacts with the emoji of this number, or takes the reaction back.
    React {
        user: usize,
        message: usize,
        emoji: usize,
        is_on: bool,
    },
    Pin {
        user: usize,
        message: usize,
        is_on: bool,
    },
    Read {
        user: usize,
        seq: usize,
    },
    Add {
        user: usize,
        other: usize,
    },
    Kick {
        user: usize,
        other: usize,
    },
    Leave {
        user: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..1000_usize;
    prop_oneof![
        6 => (any.clone(), proptest::option::of(any.clone()), proptest::option::of(any.clone()))
            .prop_map(|(user, mentions, reply_to)| Step::Send { user, mentions, reply_to }),
        6 => (any.clone(), any.clone(), 0..3_u8).prop_map(|(user, message, text)| Step::Edit { user, message, text }),
        4 => (any.clone(), any.clone(), 1..4_usize)
            .prop_map(|(user, message, count)| Step::Delete { user, message, count }),
        8 => (any.clone(), any.clone(), any.clone(), proptest::bool::weighted(0.7))
            .prop_map(|(user, message, emoji, is_on)| Step::React { user, message, emoji, is_on }),
        3 => (any.clone(), any.clone(), proptest::bool::weighted(0.6))
            .prop_map(|(user, message, is_on)| Step::Pin { user, message, is_on }),
        4 => (any.clone(), any.clone()).prop_map(|(user, seq)| Step::Read { user, seq }),
        3 => (any.clone(), any.clone()).prop_map(|(user, other)| Step::Add { user, other }),
        2 => (any.clone(), any.clone()).prop_map(|(user, other)| Step::Kick { user, other }),
        1 => any.prop_map(|user| Step::Leave { user }),
    ]
}

struct History<'a> {
    app: &'a TestApp,
    users: Vec<User>,
    chat: String,
    model: Model,
}

impl<'a> History<'a> {
    async fn direct(app: &'a TestApp) -> Self {
        let (a, b, chat) = app.pair().await;
        Self { app, users: vec![a, b], chat, model: Model::direct() }
    }

    /// A group with an owner, an admin and a member, whose newcomers see all events or only later ones.
    async fn group(app: &'a TestApp, sees_all: bool) -> Self {
        let mut users = Vec::new();
        for _ in 0..USERS {
            users.push(app.user().await);
        }
        let history = if sees_all { "all" } else { "since_join" };
        let members = [&users[1].id, &users[2].id];
        let body = json!({ "type": "group", "title": "x", "history": history, "member_ids": members });
        let created = app.post("/api/v1/chats", &users[0], &body).await;
        let chat = created.body["id"].as_str().expect("id").to_owned();
        let model = Model::group([OWNER, ADMIN, MEMBER], USERS, sees_all);
        let this = Self { app, users, chat, model };
        let promoted =
            this.call("PATCH", 0, &format!("/members/{}", this.users[1].id), json!({ "role": "admin" })).await;
        assert_eq!(promoted.body["seq"], this.model.head(), "{promoted:?}");
        this
    }

    async fn call(&self, method: &str, user: usize, rest: &str, body: Value) -> Answer {
        let path = format!("/api/v1/chats/{}{rest}", self.chat);
        let body = (method != "GET" && method != "DELETE").then_some(&body);
        self.app.api.call(method, &path, Some(&self.users[user].token), body).await.expect("call API")
    }

    async fn run(&mut self, step: Step) {
        let count = self.users.len();
        match step {
            Step::Send { user, mentions, reply_to } => {
                self.send(user % count, mentions.map(|user| user % count), reply_to).await;
            }
            Step::Edit { user, message, text } => self.edit(user % count, message, text).await,
            Step::Delete { user, message, count: messages } => self.delete(user % count, message, messages).await,
            Step::React { user, message, emoji, is_on } => {
                self.react(user % count, message, EMOJI[emoji % EMOJI.len()], is_on).await;
            }
            Step::Pin { user, message, is_on } => self.pin(user % count, message, is_on).await,
            Step::Read { user, seq } => self.read(user % count, seq).await,
            // Direct chats have no members who come and go.
            Step::Add { .. } | Step::Kick { .. } | Step::Leave { .. } if self.model.is_direct => {}
            // It would close the chat.
            Step::Leave { .. } if self.model.has_one_member() => {}
            Step::Add { user, other } => self.change_members(user % count, other % count, true).await,
            Step::Kick { user, other } => self.change_members(user % count, other % count, false).await,
            Step::Leave { user } => self.leave(user % count).await,
        }
    }

    async fn send(&mut self, sender: usize, mentions: Option<usize>, reply_to: Option<usize>) {
        let text = format!("sent {}", self.model.head());
        let reply_to = reply_to.and_then(|message| self.model.nth(message));
        let extra = json!({
            "mentions": mentions.map(|user| [&self.users[user].id]),
            "reply_to": reply_to.map(|seq| &self.model.messages[&seq].id),
        });
        let sender_user = &self.users[sender];
        let stored = self.app.send_with(&self.chat, sender_user, &text, Uuid::new_v4(), &extra.to_string()).await;
        match (self.model.send(sender, &text, mentions, reply_to), stored) {
            (Ok(seq), Ok(stored)) => {
                assert_eq!(stored.seq, seq);
                self.model.messages.get_mut(&seq).expect("message").id = stored.message_id;
            }
            (Err(expected), Err(error)) => assert_eq!(error.code, expected),
            (expected, got) => panic!("{expected:?}: {got:?}"),
        }
    }

    async fn edit(&mut self, user: usize, message: usize, text: u8) {
        let Some(seq) = self.model.nth(message) else { return };
        let (path, text) = (format!("/messages/{}", self.model.messages[&seq].id), format!("edited {text}"));
        let answer = self.call("PATCH", user, &path, json!({ "text": text })).await;
        assert_answer(&answer, "event_seq", self.model.edit(user, seq, text));
    }

    async fn delete(&mut self, user: usize, message: usize, count: usize) {
        let Some(seq) = self.model.nth(message) else { return };
        let chosen: Vec<i64> = self.model.messages.range(seq..).take(count).map(|(seq, _)| *seq).collect();
        let ids: Vec<_> = chosen.iter().map(|seq| &self.model.messages[seq].id).collect();
        let answer = self.call("POST", user, "/messages/delete", json!({ "ids": ids })).await;
        assert_answer(&answer, "seq", self.model.delete(user, &chosen));
    }

    async fn react(&mut self, user: usize, message: usize, emoji: &'static str, is_on: bool) {
        let Some(seq) = self.model.nth(message) else { return };
        let path = format!("/messages/{}/reactions/{emoji}", self.model.messages[&seq].id);
        let answer = self.call(if is_on { "PUT" } else { "DELETE" }, user, &path, Value::Null).await;
        assert_answer(&answer, "seq", self.model.react(user, seq, emoji, is_on));
    }

    async fn pin(&mut self, user: usize, message: usize, is_on: bool) {
        let Some(seq) = self.model.nth(message) else { return };
        let path = format!("/pins/{}", self.model.messages[&seq].id);
        let answer = self.call(if is_on { "PUT" } else { "DELETE" }, user, &path, Value::Null).await;
        assert_answer(&answer, "seq", self.model.pin(user, seq, is_on));
    }

    async fn read(&mut self, user: usize, seq: usize) {
        let seq = i64::try_from(seq).expect("seq") % (self.model.head() + 1) + 1;
        let answer = self.call("PUT", user, "/receipt", json!({ "read": seq })).await;
        match self.model.read(user, seq) {
            Some(expected) => assert_eq!(answer.body, expected),
            None => assert_eq!(answer.body["code"], json!(ErrorCode::NotFound), "{answer:?}"),
        }
    }

    async fn change_members(&mut self, by: usize, user: usize, adds: bool) {
        let path = if adds { "/members" } else { "/members/remove" };
        let answer = self.call("POST", by, path, json!({ "user_ids": [self.users[user].id] })).await;
        let expected = if adds { self.model.add(by, user) } else { self.model.kick(by, user) };
        assert_answer(&answer, "seq", expected);
    }

    async fn leave(&mut self, user: usize) {
        let answer = self.call("DELETE", user, "/members/me", Value::Null).await;
        assert_answer(&answer, "seq", self.model.leave(user));
    }

    /// Compares what each user sees with the model.
    async fn compare(&self) {
        for (user, User { id, .. }) in self.users.iter().enumerate() {
            let unread = self.app.get("/api/v1/chats?unread_only=true", &self.users[user]).await.body;
            assert_eq!(unread["total"], i64::from(self.model.unread(user) > 0), "user {user}");
            let item = self.call("GET", user, "", Value::Null).await;
            let history = self.call("GET", user, "/messages?limit=200", Value::Null).await;
            let events = self.call("GET", user, "/events?limit=1000", Value::Null).await;
            let pins = self.call("GET", user, "/pins", Value::Null).await;
            let Some(expected) = self.model.item(user) else {
                for answer in [item, history, events, pins] {
                    assert_eq!(answer.body["code"], json!(ErrorCode::NotFound), "user {user}: {answer:?}");
                }
                continue;
            };
            let names = ["first_seq", "last_seq", "read_seq", "unread_count", "mention_count", "member_count"];
            let mut shown: Vec<_> = names.into_iter().map(|name| item.body[name].clone()).collect();
            shown.push(item.body["last_message"]["text"].clone());
            assert_eq!(shown, expected, "user {user}");

            let shown = history.body["messages"].as_array().expect("array of messages").iter().rev();
            let number = |shown: &Value| self.users.iter().position(|user| *shown == json!(user.id));
            let numbers = |ids: &Value| ids.as_array().map(|ids| ids.iter().map(number).collect::<Vec<_>>());
            let kind = |kind: &Value| json!([kind["emoji"], kind["count"], numbers(&kind["recent"])]);
            let shown = shown.map(|message| {
                let reactions: Vec<_> = message["reactions"].as_array().into_iter().flatten().map(kind).collect();
                json!([message["seq"], message["text"], message["deleted"], reactions, message["my_reactions"]])
            });
            assert_eq!(shown.collect::<Vec<_>>(), self.model.history(user), "user {user}, {id}");

            let shown = events.body["events"].as_array().expect("array of events").iter();
            let shown = shown.map(|event| json!([event["seq"], event["type"], numbers(&event["user_ids"])]));
            assert_eq!(shown.collect::<Vec<_>>(), self.model.events(user), "user {user}");

            let shown = pins.body["pins"].as_array().expect("array of pins").iter();
            let shown: Vec<_> = shown.map(|pin| pin["message"]["seq"].as_i64().expect("seq")).collect();
            assert_eq!(shown, self.model.pins(user), "user {user}");
        }
    }
}

/// Compares an answer with what the model did: the `seq` of the event, `None` if nothing changed, or the refusal.
fn assert_answer(answer: &Answer, seq: &str, expected: Result<Option<i64>, ErrorCode>) {
    let (got, expected) = match expected {
        Ok(expected) => (&answer.body[seq], json!(expected)),
        Err(expected) => (&answer.body["code"], json!(expected)),
    };
    assert_eq!(*got, expected, "{answer:?}");
}

/// Runs random histories. A failure prints the history.
fn run(start: &impl AsyncFn(&TestApp) -> History<'_>) {
    let runtime = Runtime::new().expect("start runtime");
    let app = runtime.block_on(TestApp::start());
    // Always the same histories: each failure can be repeated.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: HISTORIES, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(step(), STEPS);
    TestRunner::new_with_rng(config, rng)
        .run(&steps, |steps| {
            runtime.block_on(async {
                let mut history = start(&app).await;
                for step in steps {
                    history.run(step).await;
                }
                history.compare().await;
            });
            Ok(())
        })
        .expect("histories equal the model");
}

#[test]
fn random_histories_of_a_direct_chat_equal_the_model() {
    run(&async |app| History::direct(app).await);
}

#[test]
fn random_histories_of_a_group_equal_the_model() {
    run(&async |app| History::group(app, false).await);
}

#[test]
fn random_histories_of_a_group_with_a_visible_past_equal_the_model() {
    run(&async |app| History::group(app, true).await);
}

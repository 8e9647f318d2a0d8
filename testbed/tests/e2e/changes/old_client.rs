//! A client of the version before edits and deletions, beside users who edit and delete.

use std::collections::{BTreeMap, BTreeSet};

use neonchat_testbed::client::{Socket, text};
use serde_json::{Value, json};

use super::{Change, Stage, next};

/// The fields of a message that the old version knows.
const FIELDS: [&str; 7] = ["chat_id", "created_at", "id", "sender_id", "seq", "text", "updated_at"];

/// Does what the protocol asked of clients before: it takes the `seq` of a frame of an unknown type, and drops the rest.
struct OldClient {
    socket: Socket,
    chat: String,
    cursor: i64,
    /// Received numbers that are not the next ones.
    early: BTreeSet<i64>,
    /// The texts by `seq`.
    texts: BTreeMap<i64, String>,
}

impl OldClient {
    async fn open(stage: &Stage) -> Self {
        let socket = stage.open(1, &stage.bob).await;
        Self { socket, chat: stage.chat.clone(), cursor: 0, early: BTreeSet::new(), texts: BTreeMap::new() }
    }

    fn take(&mut self, frame: &Value) {
        match frame["type"].as_str() {
            Some("new_message") => self.add(&frame["message"]),
            Some("lagged" | "error") => panic!("{frame}"),
            _ => {}
        }
        if frame["chat_id"] == *self.chat
            && let Some(seq) = frame["seq"].as_i64()
        {
            assert!(seq > self.cursor && self.early.insert(seq), "received twice: {frame}");
            while self.early.remove(&(self.cursor + 1)) {
                self.cursor += 1;
            }
        }
    }

    /// Adds a message from a frame or a page. All fields that the old version needs must be there.
    fn add(&mut self, message: &Value) {
        for field in FIELDS {
            let is_known = message[field].is_string() || (field == "seq" && message[field].is_i64());
            assert!(is_known, "{field}: {message}");
        }
        let seq = message["seq"].as_i64().expect("seq");
        self.texts.insert(seq, text(&message["text"]).expect("text"));
    }

    /// Receives frames until the client has everything up to `seq`.
    async fn until_cursor(&mut self, seq: i64) {
        while self.cursor < seq {
            let frame = next(&mut self.socket).await;
            self.take(&frame);
        }
        assert_eq!((self.cursor, self.early.len()), (seq, 0));
    }

    /// Fetches what it missed, over a new socket.
    async fn catch_up(&mut self) {
        self.socket.send(&json!({ "type": "sync", "cursors": { &self.chat: self.cursor } })).await.expect("send");
        loop {
            let frame = next(&mut self.socket).await;
            if frame["type"] == "synced" {
                // It ignores other fields.
                let synced = &frame["chats"][0];
                assert_eq!((&synced["chat_id"], &synced["head_seq"]), (&json!(self.chat), &json!(self.cursor)));
                return assert_eq!(synced["complete"], true);
            }
            self.take(&frame);
        }
    }

    fn texts(&self) -> Vec<(i64, &str)> {
        self.texts.iter().map(|(seq, text)| (*seq, text.as_str())).collect()
    }
}

/// Applies changes of Alice, which must be stored.
async fn change(stage: &Stage, changes: &[Change]) {
    for change in changes {
        assert_eq!(stage.change(&stage.alice, change).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_client_keeps_its_cursor_and_ends_with_the_present_state() {
    let stage = Stage::start(&[]).await;
    let (alice, bob) = (&stage.alice, &stage.bob);
    let mut old = OldClient::open(&stage).await;
    let mut alices = stage.open(0, alice).await;

    // Changes while it is connected.
    let first = stage.send(alice, "first").await;
    old.until_cursor(1).await;
    let ack = old.socket.send_message(&stage.chat, "reply").await.expect("receive ack");
    assert_eq!(ack["status"], "delivered");
    old.take(&ack);
    change(&stage, &[Change::edit(&first, "first, edited")]).await;
    let second = stage.send(alice, "second").await;
    change(&stage, &[Change::delete(&[&second])]).await;
    old.until_cursor(5).await;
    assert_eq!(old.texts(), [(1, "first"), (4, "second")], "it does not know edits and deletions");

    // It marks the numbers of events as read.
    old.socket.send(&json!({ "type": "receipt", "chat_id": stage.chat, "read": 5 })).await.expect("send");
    loop {
        let frame = next(&mut alices).await;
        if frame["type"] == "receipt" && frame["read"] == 5 {
            break;
        }
    }
    assert_eq!(stage.item(bob).await["unread_count"], 0);

    // Changes while it is away.
    old.socket.close().await.expect("close socket");
    let third = stage.send(alice, "third").await;
    change(&stage, &[Change::edit(&third, "third, edited")]).await;
    let fourth = stage.send(alice, "fourth").await;
    change(&stage, &[Change::delete(&[&fourth])]).await;
    stage.send(alice, "fifth").await;
    let item = stage.item(bob).await;
    assert_eq!((&item["unread_count"], &item["last_message"]["text"]), (&json!(2), &json!("fifth")));
    old.socket = stage.open(0, bob).await;
    old.catch_up().await;
    assert_eq!(old.cursor, 10);
    let caught_up = [(1, "first"), (4, "second"), (6, "third, edited"), (8, ""), (10, "fifth")];
    assert_eq!(old.texts(), caught_up);

    // A reload of the history shows the present state of everything.
    let history = stage.get("/messages", bob).await;
    for message in history["messages"].as_array().expect("messages") {
        old.add(message);
    }
    let present = [(1, "first, edited"), (2, "reply"), (4, ""), (6, "third, edited"), (8, ""), (10, "fifth")];
    assert_eq!(old.texts(), present);
    let events = stage.get("/events", bob).await;
    let seqs: Vec<_> = events["events"].as_array().expect("events").iter().map(|event| event["seq"].as_i64()).collect();
    assert_eq!(seqs, (1..=10).map(Some).collect::<Vec<_>>());

    // Its messages and those to it have the form of before.
    assert_eq!(old.socket.send_message(&stage.chat, "last").await.expect("receive ack")["seq"], 11);
    stage.send(alice, "answer").await;
    let frame = old.socket.expect_beside_presence("new_message").await.expect("receive message");
    let fields: Vec<_> = frame["message"].as_object().expect("message").keys().map(String::as_str).collect();
    assert_eq!(fields, FIELDS);
}

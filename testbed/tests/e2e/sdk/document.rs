//! The programs in Rust of `docs/CLIENTS.md`, as they are printed.

use std::{collections::BTreeMap, fs, path::Path};

use neonchat_client::{Client, FileStore, MemoryStore, Store, Text};
use neonchat_testbed::client::PASSWORD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{builder, history, reaches, start};
use crate::helpers::Running;

#[expect(dead_code, reason = "`main` has the ports of `make run`")]
#[path = "../../../../sdk/rust/examples/ask.rs"]
mod ask;
#[expect(dead_code, reason = "`main` has the ports of `make run`")]
#[path = "../../../../sdk/rust/examples/bot.rs"]
mod bot;

/// The blocks of the document about Rust, by what follows their language.
fn blocks() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/CLIENTS.md");
    let text = fs::read_to_string(path).expect("read document");
    let blocks = text.split("\n```").skip(1).step_by(2);
    let blocks = blocks.map(|block| block.split_once('\n').expect("a block with an info string"));
    let named = blocks.map(|(info, code)| (info.split_once(' ').expect("a name").1.to_owned(), format!("{code}\n")));
    named.filter(|(name, _)| Path::new(name).extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn the_document_prints_the_examples() {
    let mut blocks = blocks();
    for name in ["ask.rs", "bot.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/rust/examples").join(name);
        let program = fs::read_to_string(path).expect("read example");
        assert_eq!(blocks.remove(&format!("file={name}")), Some(program), "{name}");
    }
    assert_eq!(blocks.keys().collect::<Vec<_>>(), ["output=ask.rs"], "every block is tested");
}

async fn signed_in(running: &Running, name: &str, store: impl Store) -> Client {
    let client = builder(running).store(store).build().expect("build client");
    if client.session().is_none() {
        client.login(name, PASSWORD).await.expect("log in");
    }
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_answers_the_program_that_asks_also_what_it_missed() {
    let running = start().await;
    let alice = builder(&running).build().expect("build client");
    alice.register("alice", PASSWORD).await.expect("register alice");
    let bob = alice.register("bob", PASSWORD).await.expect("register bob");
    alice.login("alice", PASSWORD).await.expect("log in");
    let chat: Value = alice.rest().post("/chats").json(&json!({ "partner_id": bob })).send().await.expect("open chat");
    let chat = serde_json::from_value(chat["id"].clone()).expect("ID of the chat");

    let folder = tempfile::tempdir().expect("create directory");
    let mut bots = JoinSet::new();
    let mut run_bot = async || {
        let store = FileStore::open(folder.path().join("bot.jsonl")).expect("open store");
        let client = signed_in(&running, "bob", store).await;
        let bot = client.clone();
        bots.spawn(async move { bot::answer_questions(&bot).await });
        client
    };
    let bot = run_bot().await;
    reaches(&bot, "live", |state| *state == neonchat_client::Status::Live).await;
    let printed = ask::ask(&signed_in(&running, "alice", MemoryStore::new()).await).await.expect("ask");
    assert_eq!(format!("{}\n", printed.join("\n")), blocks()["output=ask.rs"]);

    bot.close().await;
    alice.start().await.expect("start");
    alice.send(chat, Text::new("Still there?")).await.expect("send").await.expect("acknowledge message");
    let mut events = alice.events();
    let bot = run_bot().await;
    super::find_message(&mut events, "the answer", |message| message.text == "Yes!" && message.sender_id == bob).await;
    assert_eq!(history(&alice, chat).await.len(), 4);
    bot.close().await;
    while let Some(ended) = bots.join_next().await {
        ended.expect("the bot does not panic").expect("the bot ends with its client");
    }
}

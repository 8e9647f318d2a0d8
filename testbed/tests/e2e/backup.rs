//! What is saved comes back as it was.

use std::path::Path;

use neonchat_testbed::{
    client::{Api, PASSWORD, Socket, User, text},
    harness,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::helpers::Running;

/// Messages as fast as they are acknowledged.
const UNPACED: &[(&str, &str)] = &[("WS_MESSAGES_PER_SECOND", "0")];

async fn script(name: &str, file: &Path, database: &str) -> (bool, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let output = Command::new(folder.join(name)).arg(file).env("DATABASE_URL", database).output().await;
    let output = output.expect("run the process");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

async fn history(api: &Api, chat: &str, user: &User) -> Value {
    api.get(&format!("/api/v1/chats/{chat}/messages?limit=200"), user).await.expect("receive an answer").body
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_under_load_restores_everything() {
    let (database, restored) = (harness::test_database().await, harness::test_database().await);
    let running = Running::start_on(&database, UNPACED).await;
    let (api, ws) = (running.system.api(), running.system.websocket());
    let (alice, bob) = (api.any_user().await.expect("register a user"), api.any_user().await.expect("register a user"));
    let chat = api.chat(&alice, &bob).await.expect("create a chat");
    let mut alices = Socket::open(&ws, &alice, None).await.expect("open a socket");
    for n in 1..=120 {
        alices.send_message(&chat, &format!("Nr. {n} 😀")).await.expect("receive an ack");
    }
    let saved = history(&api, &chat, &bob).await;
    let file = running.folder.path().join("a.dump");
    let (is_saved, said) = script("backup.sh", &file, &database).await;
    assert!(is_saved, "{said}");
    alices.send_message(&chat, "too late").await.expect("receive an ack");

    let (is_restored, said) = script("restore.sh", &file, &restored).await;
    assert!(is_restored, "{said}");
    let after = Running::start_on(&restored, UNPACED).await;
    let (api, ws) = (after.system.api(), after.system.websocket());
    assert_eq!(history(&api, &chat, &bob).await, saved);
    // Accounts, read marks and the sequence go on, too.
    let login = json!({ "username": bob.name, "password": PASSWORD });
    let login = api.call("POST", "/api/v1/auth/login", None, Some(&login)).await.expect("receive an answer");
    let bob = User { token: text(&login.body["token"]).expect("find a token"), ..bob };
    let item = api.get(&format!("/api/v1/chats/{chat}"), &bob).await.expect("receive an answer").body;
    assert_eq!((&item["unread_count"], &item["last_seq"]), (&json!(120), &json!(120)));
    let mut bobs = Socket::open(&ws, &bob, None).await.expect("open a socket");
    assert_eq!(bobs.send_message(&chat, "back").await.expect("receive an ack")["seq"], 121);

    // Into a database that is in use nothing is restored.
    let before = history(&api, &chat, &bob).await;
    let (is_restored, said) = script("restore.sh", &file, &restored).await;
    assert!(!is_restored && said.contains("already exists"), "{said}");
    assert_eq!(history(&api, &chat, &bob).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_backup_leaves_no_file() {
    let folder = tempfile::tempdir().expect("create a directory");
    let nowhere = format!("postgres://127.0.0.1:{}/x", neonchat_testbed::port::free().expect("get a free port"));
    let (is_saved, said) = script("backup.sh", &folder.path().join("a.dump"), &nowhere).await;
    assert!(!is_saved && said.contains("refused"), "{said}");
    assert_eq!(std::fs::read_dir(&folder).expect("create a directory").count(), 0);
}

//! Backup and restore.

use std::path::Path;

use neonchat_testbed::{
    client::{Api, PASSWORD, Socket, User, text},
    harness,
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::helpers::Running;

/// Disables the message rate limit.
const UNPACED: &[(&str, &str)] = &[("WS_MESSAGES_PER_SECOND", "0")];

async fn script(name: &str, file: &Path, database: &str) -> (bool, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let output = Command::new(folder.join(name)).arg(file).env("DATABASE_URL", database).output().await;
    let output = output.expect("run process");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

async fn history(api: &Api, chat: &str, user: &User) -> Value {
    api.get(&format!("/api/v1/chats/{chat}/messages?limit=200"), user).await.expect("receive answer").body
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_under_load_restores_everything() {
    let (database, restored) = (harness::test_database().await, harness::test_database().await);
    let running = Running::start_on(&database, UNPACED).await;
    let (api, ws) = (running.system.api(), running.system.websocket());
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    let chat = api.chat(&alice, &bob).await.expect("create chat");
    let mut alices = Socket::open(&ws, &alice, None).await.expect("open socket");
    for n in 1..=120 {
        alices.send_message(&chat, &format!("Nr. {n} 😀")).await.expect("receive ack");
    }
    let saved = history(&api, &chat, &bob).await;
    let file = running.folder.path().join("a.dump");
    let (is_saved, said) = script("backup.sh", &file, &database).await;
    assert!(is_saved, "{said}");
    alices.send_message(&chat, "too late").await.expect("receive ack");

    let (is_restored, said) = script("restore.sh", &file, &restored).await;
    assert!(is_restored, "{said}");
    let after = Running::start_on(&restored, UNPACED).await;
    let (api, ws) = (after.system.api(), after.system.websocket());
    assert_eq!(history(&api, &chat, &bob).await, saved);
    // Accounts, read markers and the sequence are restored, too.
    let login = json!({ "username": bob.name, "password": PASSWORD });
    let login = api.call("POST", "/api/v1/auth/login", None, Some(&login)).await.expect("receive answer");
    let bob = User { token: text(&login.body["token"]).expect("find token"), ..bob };
    let item = api.get(&format!("/api/v1/chats/{chat}"), &bob).await.expect("receive answer").body;
    assert_eq!((&item["unread_count"], &item["last_seq"]), (&json!(120), &json!(120)));
    let mut bobs = Socket::open(&ws, &bob, None).await.expect("open socket");
    assert_eq!(bobs.send_message(&chat, "back").await.expect("receive ack")["seq"], 121);

    // A database that is in use is not overwritten.
    let before = history(&api, &chat, &bob).await;
    let (is_restored, said) = script("restore.sh", &file, &restored).await;
    assert!(!is_restored && said.contains("already exists"), "{said}");
    assert_eq!(history(&api, &chat, &bob).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_backup_leaves_no_file() {
    let folder = tempfile::tempdir().expect("create directory");
    let nowhere = format!("postgres://127.0.0.1:{}/x", neonchat_testbed::port::reserve().expect("reserve port"));
    let (is_saved, said) = script("backup.sh", &folder.path().join("a.dump"), &nowhere).await;
    assert!(!is_saved && said.contains("refused"), "{said}");
    assert_eq!(std::fs::read_dir(&folder).expect("read directory").count(), 0);
}

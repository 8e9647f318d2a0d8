//! Archived chats, folders, and pages by cursor.

use neonchat_testbed::client::User;
use serde_json::{Value, json};

use crate::support::TestApp;

async fn ids(app: &TestApp, user: &User, query: &str) -> (Vec<String>, Value) {
    let list = app.get(&format!("/api/v1/chats?{query}"), user).await;
    assert_eq!(list.status, 200, "{list:?}");
    let chats = list.body["chats"].as_array().expect("array of chats").iter();
    (chats.map(|chat| chat["id"].as_str().expect("id as string").to_owned()).collect(), list.body["total"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_chats_and_folders_are_selected() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let chats = app.chats(&alice, 4).await;
    app.set_to(&alice, &chats[0], json!({ "archived": true, "folder": "Work" })).await;
    app.set_to(&alice, &chats[1], json!({ "folder": "Work", "pin_place": 1 })).await;
    app.set_to(&alice, &chats[2], json!({ "folder": "Home" })).await;
    // A message does not bring a chat back from the archive.
    app.send(&chats[0], &alice, "hello").await;
    for (query, expected) in [
        ("", vec![1, 3, 2]),
        ("archived=false", vec![1, 3, 2]),
        ("archived=true", vec![0]),
        ("folder=Work", vec![1]),
        ("folder=Work&archived=true", vec![0]),
        ("folder=Home&type=direct", vec![2]),
        ("folder=Home&type=group", vec![]),
        ("folder=work", vec![]),
    ] {
        let count = expected.len();
        let expected: Vec<_> = expected.into_iter().map(|n: usize| chats[n].clone()).collect();
        assert_eq!(ids(&app, &alice, query).await, (expected, json!(count)), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_cursor_have_each_chat_once() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let chats = app.chats(&alice, 11).await;
    for (chat, place) in [(2, 5), (7, 1), (3, 20)] {
        app.set_to(&alice, &chats[chat], json!({ "pin_place": place })).await;
    }
    app.set_to(&alice, &chats[5], json!({ "archived": true })).await;
    // Chats that were last active at the same time.
    app.sql()
        .await
        .execute("UPDATE chats SET updated_at = now() WHERE id::text > $1", &[&chats[6]])
        .await
        .expect("update");
    let (all, total) = ids(&app, &alice, "").await;
    assert_eq!((all.len(), &total, &all[..3]), (10, &json!(10), &[7, 2, 3].map(|n| chats[n].clone())[..]));
    for limit in [1, 2, 3, 4, 10, 11] {
        let (mut found, mut after) = (Vec::new(), String::new());
        for page in 1.. {
            let path = format!("/api/v1/chats?limit={limit}&after={after}");
            let list = app.get(&path, &alice).await.body;
            assert_eq!(list.get("total"), None, "{list}");
            let chats = list["chats"].as_array().expect("array of chats");
            found.extend(chats.iter().map(|chat| chat["id"].as_str().expect("id as string").to_owned()));
            assert_eq!(
                (list["has_more"].as_bool(), found.len() < 10),
                (Some(list["next"].is_string()), list["next"].is_string())
            );
            let Some(next) = list["next"].as_str() else { break };
            assert!(page < 20, "the cursor does not move");
            next.clone_into(&mut after);
        }
        assert_eq!(found, all, "{limit}");
    }
    // A page without a cursor names the next one too.
    for limit in [2, 5] {
        let first = app.get(&format!("/api/v1/chats?limit={limit}"), &alice).await.body;
        let next = first["next"].as_str().expect("next as string");
        assert_eq!(ids(&app, &alice, &format!("after={next}")).await.0, all[limit..], "{limit}");
    }
}

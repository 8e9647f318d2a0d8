//! Pinned chats.

use futures_util::future::join_all;
use neonchat_testbed::client::User;
use serde_json::{Value, json};

use super::{listen, next_frame};
use crate::support::{TestApp, assert_problem};

/// Returns the pinned chats of a user, each with its place, in the order of the list.
async fn pins(app: &TestApp, user: &User) -> Vec<(String, i64)> {
    let list = app.get("/api/v1/chats?limit=100", user).await.body;
    let pin = |chat: &Value| Some((chat["id"].as_str()?.to_owned(), chat["pin_place"].as_i64()?));
    list["chats"].as_array().expect("array of chats").iter().map_while(pin).collect()
}

fn expected(pins: &[(&String, i64)]) -> Vec<(String, i64)> {
    pins.iter().map(|(chat, place)| ((*chat).clone(), *place)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_chats_come_first_and_make_room() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let chats = app.chats(&alice, 5).await;
    let [a, b, c, d, _] = &chats[..] else { panic!("{chats:?}") };
    for (chat, place) in [(a, 3), (b, 1), (c, 2)] {
        app.set_to(&alice, chat, json!({ "pin_place": place })).await;
    }
    assert_eq!(pins(&app, &alice).await, expected(&[(b, 1), (c, 2), (a, 3)]));
    // The last place is free, and is not needed.
    app.set_to(&alice, d, json!({ "pin_place": 2 })).await;
    assert_eq!(pins(&app, &alice).await, expected(&[(b, 1), (d, 2), (c, 3), (a, 4)]));
    // The chat's own place becomes free.
    app.set_to(&alice, c, json!({ "pin_place": 1 })).await;
    assert_eq!(pins(&app, &alice).await, expected(&[(c, 1), (b, 2), (d, 3), (a, 4)]));
    app.set_to(&alice, b, json!({ "pin_place": null })).await;
    app.set_to(&alice, a, json!({ "pin_place": 1 })).await;
    assert_eq!(pins(&app, &alice).await, expected(&[(a, 1), (c, 2), (d, 3)]), "up to the first free place");
    // Activity does not change the order.
    app.send(d, &alice, "hello").await;
    assert_eq!(pins(&app, &alice).await, expected(&[(a, 1), (c, 2), (d, 3)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_chats_are_announced_too() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let chats = app.chats(&alice, 2).await;
    app.set_to(&alice, &chats[0], json!({ "pin_place": 1 })).await;
    let mut listener = listen(&app, &alice).await;
    app.set_to(&alice, &chats[1], json!({ "pin_place": 1 })).await;
    let mut places = Vec::new();
    for _ in 0..2 {
        let (frame, _) = next_frame(&mut listener).await;
        places.push((frame["chat_id"].clone(), frame["pin_place"].clone()));
    }
    places.sort_by_key(|(_, place)| place.as_i64());
    assert_eq!(places, [(json!(chats[1]), json!(1)), (json!(chats[0]), json!(2))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_chat_moves_behind_the_last_place() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let chats = app.chats(&alice, 21).await;
    for chat in &chats[..20] {
        app.set_to(&alice, chat, json!({ "pin_place": 1 })).await;
    }
    let full = pins(&app, &alice).await;
    assert_eq!(full.len(), 20);
    for place in [1, 20] {
        let refused = app.set(&alice, &chats[20], json!({ "pin_place": place, "level": "none" })).await;
        assert_problem(&refused, 409, "limit_reached", &[]);
        assert_eq!((&refused.body["limit"], &refused.body["max"]), (&json!("pinned_chats"), &json!(20)));
    }
    assert_eq!(app.item(&alice, &chats[20]).await["level"], "all", "nothing of a refused change is stored");
    assert_eq!(pins(&app, &alice).await, full);
    // Among the pinned ones, chats can change places.
    app.set_to(&alice, &full[19].0, json!({ "pin_place": 1 })).await;
    let moved: Vec<_> = [&full[19..], &full[..19]].concat().into_iter().map(|(chat, _)| chat).zip(1..).collect();
    assert_eq!(pins(&app, &alice).await, moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_pin_at_once_get_different_places() {
    let app = TestApp::start().await;
    let alice = app.user().await;
    let chats = app.chats(&alice, 12).await;
    let pinned = chats.iter().map(|chat| app.set(&alice, chat, json!({ "pin_place": 1 })));
    for answer in join_all(pinned).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let places: Vec<_> = pins(&app, &alice).await.into_iter().map(|(_, place)| place).collect();
    assert_eq!(places, (1..=12).collect::<Vec<_>>());
}

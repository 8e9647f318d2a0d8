//! Receipts in groups: who is told depends on the size.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Stage, next, send};

/// The least time between two writes of a member's markers in a large group, with some tolerance for the clocks.
const LARGE_INTERVAL: Duration = Duration::from_millis(4500);

/// The most frames that tell of receipts which two members send at the same time: the first ones are written at once, all others
/// together a second later. Each time, those of the two instances may be told apart.
const MAX_FRAMES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn small_group_is_told_of_many_receipts_by_few_frames() {
    let stage = Stage::group(4, 4).await;
    let [alice, bob, carol, dave] = &stage.users[..] else { panic!("four users") };
    let chat = &stage.chat;
    let messages = stage.send_to(chat, 5).await;
    let (mut alices, mut daves) = (stage.open(0, alice).await, stage.open(1, dave).await);
    let (mut bobs, mut carols) = (stage.open(0, bob).await, stage.open(1, carol).await);
    let mut laptop = stage.open(1, bob).await;
    for read in 1..=5 {
        send(&mut bobs, chat, json!({ "read": read })).await;
        send(&mut carols, chat, json!({ "delivered": read })).await;
    }
    for socket in [&mut alices, &mut daves] {
        let (mut reads, mut delivered, mut frames) = (BTreeMap::new(), BTreeMap::new(), 0);
        while reads.get(&bob.id) != Some(&5) || delivered.get(&carol.id) != Some(&5) {
            let frame = next(socket).await;
            assert_eq!((&frame["type"], &frame["chat_id"]), (&json!("receipts"), &json!(chat)), "{frame}");
            for (known, told) in [(&mut reads, &frame["reads"]), (&mut delivered, &frame["delivered"])] {
                let told: BTreeMap<String, i64> = serde_json::from_value(told.clone()).expect("parse markers");
                known.extend(told);
            }
            frames += 1;
        }
        assert!(frames <= MAX_FRAMES, "{frames} frames");
        assert_eq!(reads, BTreeMap::from([(bob.id.clone(), 5), (carol.id.clone(), 0)]));
        assert_eq!(delivered, BTreeMap::from([(bob.id.clone(), 5), (carol.id.clone(), 5)]));
        socket.expect_quiet().await.expect("receive nothing else");
    }
    // The other device learns how many are unread, too.
    let mut own = Vec::new();
    while own.last() != Some(&json!([5, 5, 0])) {
        let frame = next(&mut laptop).await;
        if frame["type"] == "receipt" {
            assert_eq!(frame["user_id"], *bob.id, "{frame}");
            own.push(json!([frame["read"], frame["delivered"], frame["unread_count"]]));
        }
    }
    assert_eq!(own[0], json!([1, 1, 4]), "the first one at once");
    assert!(own.len() <= MAX_FRAMES, "{own:?}");

    for user in &stage.users {
        let receipts = stage.get("/receipts", user).await;
        let expected = json!({
            "read": { &alice.id: 5, &bob.id: 5, &carol.id: 0, &dave.id: 0 },
            "delivered": { &alice.id: 5, &bob.id: 5, &carol.id: 5, &dave.id: 0 },
        });
        assert_eq!(receipts, expected);
    }
    for message in [&messages[0], &messages[4]] {
        assert_eq!(stage.seen(message, dave).await, [&*bob.id], "neither the sender nor who only has it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_groups_tell_only_the_own_devices() {
    for members in [101, 1001] {
        let stage = Stage::group(3, members).await;
        let [alice, bob, carol] = &stage.users[..] else { panic!("three users") };
        let (chat, small) = (&stage.chat, stage.add_group().await);
        stage.send_to(chat, 2).await;
        stage.send_to(&small, 1).await;
        let (mut phone, mut laptop) = (stage.open(0, bob).await, stage.open(1, bob).await);
        let mut others = [
            stage.open(0, alice).await,
            stage.open(1, alice).await,
            stage.open(0, carol).await,
            stage.open(1, carol).await,
        ];
        send(&mut phone, chat, json!({ "read": 1, "delivered": 2 })).await;
        let own = next(&mut laptop).await;
        let expected = json!({ "type": "receipt", "chat_id": chat, "user_id": bob.id, "read": 1, "delivered": 2,
            "unread_count": 1 });
        assert_eq!(own, expected);
        let put = stage.call("PUT", "/receipt", bob, Some(json!({ "read": 2 }))).await;
        assert_eq!(put.status, 200, "{put:?}");
        for socket in [&mut phone, &mut laptop] {
            let own = next(socket).await;
            assert_eq!(json!([own["type"], own["read"], own["unread_count"]]), json!(["receipt", 2, 0]), "{own}");
        }
        // What were told of the large group would be told before this.
        send(&mut phone, &small, json!({ "read": 1 })).await;
        for socket in &mut others {
            let told = next(socket).await;
            let reads = json!({ &bob.id: 1 });
            assert_eq!(json!([told["type"], told["chat_id"], told["reads"]]), json!(["receipts", small, reads]));
        }
        for path in ["/receipts", "/messages/01890a5d-ac96-774b-bcce-b302099a8058/seen"] {
            let refused = stage.call("GET", path, alice, None).await;
            assert_eq!((refused.status, &refused.body["code"]), (403, &json!("forbidden")), "{refused:?}");
        }
        assert_eq!(stage.item(bob).await["unread_count"], 0);
        assert_eq!(stage.item(carol).await["partner_read_seq"], Value::Null, "only in direct chats");
    }
}

/// What waits when the last socket of an instance closes is written at once, not when the interval of a large group ends.
#[tokio::test(flavor = "multi_thread")]
async fn closing_the_last_socket_writes_what_waits() {
    let stage = Stage::group(2, 1001).await;
    let (bob, chat) = (&stage.users[1], &stage.chat);
    stage.send_to(chat, 2).await;
    let (mut phone, mut laptop) = (stage.open(0, bob).await, stage.open(1, bob).await);
    send(&mut phone, chat, json!({ "read": 1 })).await;
    assert_eq!(next(&mut laptop).await["read"], 1);
    // Now an interval begins.
    let start = Instant::now();
    send(&mut phone, chat, json!({ "read": 2 })).await;
    phone.close().await.expect("close socket");
    assert_eq!(next(&mut laptop).await["read"], 2);
    assert!(start.elapsed() < LARGE_INTERVAL, "{:?}", start.elapsed());
}

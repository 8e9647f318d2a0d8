//! A faulty server costs the client neither its memory nor the network.

use serde_json::json;

use super::{
    fuzz_tests::{Event, World, id},
    *,
};
use crate::ChatId;

impl World {
    fn live() -> Self {
        let mut world = Self::new();
        world.play(Event::Start);
        world.play(Event::Open);
        world.requests.clear();
        world
    }

    /// Lets time pass, and all timers fire that are due then.
    fn pass(&mut self, ms: u64) {
        let end = self.time.elapsed + ms;
        while let Some(due) = self.core.next_timer().filter(|due| *due <= end) {
            self.play(Event::Pass(due.saturating_sub(self.time.elapsed)));
        }
        self.play(Event::Pass(end.saturating_sub(self.time.elapsed)));
    }

    fn held(&mut self, chat: u8) -> Option<usize> {
        self.core.chats.get(ChatId(id(chat))).map(|state| state.held.len())
    }
}

fn message(chat: u8, seq: u64) -> Event {
    Event::Frame("new_message", json!({ "chat_id": id(chat), "seq": seq, "message": { "seq": seq } }))
}

#[test]
fn starts_again_after_the_server_has_stopped_it() {
    for code in [4003, 4008, 4009, 4050] {
        let mut world = World::live();
        world.play(Event::Close(code));
        assert!(matches!(world.core.status(), Status::Stopped { reason: Some(_) }), "{code}");
        world.pass(90_000_000);
        assert!(world.requests.is_empty(), "{code}: the token is not refreshed");
        world.core.session.data.as_mut().expect("session").access_expires_at = u64::MAX;
        let attempt = world.attempt;
        world.play(Event::Start);
        assert_eq!(*world.core.status(), Status::Connecting, "{code}");
        assert!(world.attempt > attempt, "{code}");
    }
}

#[test]
fn holds_no_more_than_twice_what_makes_it_fetch() {
    let mut world = World::live();
    for chat in [0, 3] {
        for seq in 10..5000 {
            world.play(message(chat, seq));
        }
        assert_eq!(world.held(chat), Some(1002), "{chat}");
    }
}

#[test]
fn asks_again_about_a_chat_that_could_not_be_looked_at() {
    let mut world = World::live();
    world.play(message(3, 10));
    assert_eq!((world.requests.len(), world.held(3)), (1, Some(1)));
    world.play(Event::Answer(403, json!({ "code": "forbidden" })));
    assert_eq!((world.requests.len(), world.held(3)), (0, None));
    world.play(message(3, 11));
    assert_eq!((world.requests.len(), world.held(3)), (1, Some(1)));
}

#[test]
fn takes_nothing_that_is_nested_too_deeply_for_the_store() {
    let mut world = World::live();
    for (depth, applied) in [(200, 2), (110, 2), (90, 3)] {
        let nested = (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let mut event = json!({ "chat_id": id(0), "seq": 3, "expires": "2027", "message": "text" });
        event["nested"] = nested;
        world.play(Event::Frame("pinned", event));
        assert_eq!(world.core.chats.row(ChatId(id(0))).map(|row| row.applied), Some(applied), "{depth}");
    }
}

//! The loop with a scripted client.

use std::{cell::Cell, collections::VecDeque, future::pending, rc::Rc};

use neonchat_common::ids::ChatId;

use super::*;

const SETTINGS: SocketSettings = SocketSettings { max_connections_per_user: 1, ..SocketSettings::WITHOUT_LIMITS };

/// A client that sends the scripted frames and then nothing.
#[derive(Default)]
struct Script {
    incoming: VecDeque<Incoming>,
    /// The start of a message that never ends.
    message_started_at: Option<Instant>,
    /// The delay before each frame.
    pause: Duration,
    reads: bool,
    is_disconnected: bool,
    written: Vec<String>,
}

impl Script {
    fn sending(incoming: impl IntoIterator<Item = Incoming>) -> Self {
        Self { incoming: incoming.into_iter().collect(), reads: true, ..Self::default() }
    }
}

impl SocketIo for &mut Script {
    async fn receive(&mut self) -> Incoming {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        match self.incoming.pop_front() {
            Some(next) => next,
            None => pending().await,
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Disconnected> {
        if self.is_disconnected {
            return Err(Disconnected);
        }
        if !self.reads {
            pending::<()>().await;
        }
        self.written.push(frame.as_str().to_owned());
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Disconnected> {
        self.written.push("ping".to_owned());
        Ok(())
    }

    async fn pong(&mut self, payload: Bytes) -> Result<(), Disconnected> {
        self.written.push(format!("pong {}", String::from_utf8_lossy(&payload)));
        Ok(())
    }

    fn message_started_at(&self) -> Option<Instant> {
        self.message_started_at
    }

    async fn close(self, reason: CloseReason) {
        self.written.push(format!("close {}", reason.code().0));
    }
}

/// A handler that passes text to a function and accepts a number of other frames.
struct Rules<F> {
    handle: F,
    others: Cell<usize>,
    expires: Rc<Cell<Instant>>,
}

impl<F: AsyncFn(ByteString) -> Option<Frame>> Handler for Rules<F> {
    async fn on_text(&self, text: ByteString) -> Option<Frame> {
        (self.handle)(text).await
    }

    fn on_other(&self) -> Result<(), ApiError> {
        let left = self.others.get().checked_sub(1);
        self.others.set(left.unwrap_or_default());
        left.map(drop).ok_or_else(|| ApiError::new(ErrorCode::RateLimited, "too many"))
    }

    fn expires_at(&self) -> Instant {
        self.expires.get()
    }
}

fn rules<F: AsyncFn(ByteString) -> Option<Frame>>(handle: F) -> Rules<F> {
    Rules { handle, others: Cell::new(2), expires: Rc::new(Cell::new(Instant::now() + Duration::from_hours(24))) }
}

async fn echo(text: ByteString) -> Option<Frame> {
    Some(Frame::opaque(format!("echo {text}")))
}

#[tokio::test(start_paused = true)]
async fn answers_in_the_order_of_the_frames() {
    let slow_first = async |text: ByteString| {
        tokio::time::sleep(Duration::from_millis(if &*text == "a" { 50 } else { 0 })).await;
        echo(text).await
    };
    let text = |text: &'static str| Incoming::Text(ByteString::from_static(text));
    let mut script = Script::sending([text("a"), text("b"), Incoming::Closed(CloseReason::Normal)]);
    let reason = run(&Outbox::default(), &rules(slow_first), &mut script, SETTINGS).await;
    assert_eq!(reason, CloseReason::Normal);
    assert_eq!(script.written, ["echo a", "echo b", "close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn answers_binary_frame_with_error_and_stays_open() {
    let mut script = Script::sending([Incoming::Binary, Incoming::Closed(CloseReason::TooBig)]);
    assert_eq!(run(&Outbox::default(), &rules(echo), &mut script, SETTINGS).await, CloseReason::TooBig);
    assert!(script.written[0].contains("bad_json"), "{:?}", script.written);
    assert_eq!(script.written[1], "close 1009");
}

#[tokio::test(start_paused = true)]
async fn rate_limits_frames_that_are_not_text() {
    let (ping, end) = (|payload: &'static str| Incoming::Ping(payload.into()), Incoming::Closed(CloseReason::Normal));
    let mut script = Script::sending([ping("a"), Incoming::Pong, ping("b"), Incoming::Binary, end]);
    run(&Outbox::default(), &rules(echo), &mut script, SETTINGS).await;
    assert_eq!(script.written[0], "pong a");
    assert!(script.written[1].contains("rate_limited"), "{:?}", script.written);
    assert_eq!(script.written[2..], ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn times_out_unfinished_message_despite_other_frames() {
    let started = Instant::now();
    let mut script = Script { message_started_at: Some(started), ..Script::sending([]) };
    for _ in 0..1000 {
        script.incoming.push_back(Incoming::Pong);
    }
    script.pause = Duration::from_secs(1);
    assert_eq!(run(&Outbox::default(), &rules(echo), &mut script, SETTINGS).await, CloseReason::Heartbeat);
    assert_eq!(started.elapsed().as_secs(), SETTINGS.read_timeout.as_secs());
}

#[tokio::test(start_paused = true)]
async fn pings_idle_client_then_times_out() {
    let mut script = Script::sending([]);
    let started = Instant::now();
    assert_eq!(run(&Outbox::default(), &rules(echo), &mut script, SETTINGS).await, CloseReason::Heartbeat);
    assert_eq!(started.elapsed().as_secs(), SETTINGS.read_timeout.as_secs());
    assert_eq!(script.written, ["ping", "ping", "close 4102"]);
}

#[tokio::test(start_paused = true)]
async fn closes_client_that_does_not_read() {
    let mut script = Script { reads: false, ..Script::sending([]) };
    let outbox = Outbox::default();
    outbox.push_durable(ChatId::new(), 1, &Frame::opaque("x"));
    let started = Instant::now();
    assert_eq!(run(&outbox, &rules(echo), &mut script, SETTINGS).await, CloseReason::Slow);
    assert_eq!(started.elapsed().as_secs(), SETTINGS.write_timeout.as_secs());
}

#[tokio::test(start_paused = true)]
async fn sends_no_close_frame_after_connection_was_lost() {
    let lost = [
        Script::sending([Incoming::Closed(CloseReason::ConnectionLost)]),
        Script { is_disconnected: true, ..Script::sending([Incoming::Text("a".into())]) },
    ];
    for mut script in lost {
        let reason = run(&Outbox::default(), &rules(echo), &mut script, SETTINGS).await;
        assert_eq!((reason, script.written), (CloseReason::ConnectionLost, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn drain_finishes_work_and_sends_reconnect() {
    let outbox = Outbox::default();
    let drained_meanwhile = async |text: ByteString| {
        outbox.close(CloseReason::Restart { after_ms: 700 });
        tokio::time::sleep(Duration::from_millis(50)).await;
        echo(text).await
    };
    let mut script = Script::sending([Incoming::Text("a".into())]);
    run(&outbox, &rules(drained_meanwhile), &mut script, SETTINGS).await;
    assert_eq!(script.written, ["echo a", r#"{"type":"reconnect","after_ms":700,"reason":"restart"}"#, "close 4100"]);
}

#[tokio::test(start_paused = true)]
async fn closes_when_token_expires_unless_renewed() {
    let started = Instant::now();
    let expires = Rc::new(Cell::new(started + Duration::from_secs(5)));
    let renewed = Rc::clone(&expires);
    let renew = async |text: ByteString| {
        renewed.set(started + Duration::from_secs(20));
        echo(text).await
    };
    let mut script = Script::sending([Incoming::Text("a".into())]);
    let rules = Rules { expires, ..rules(renew) };
    assert_eq!(run(&Outbox::default(), &rules, &mut script, SETTINGS).await, CloseReason::Expired);
    assert_eq!(started.elapsed().as_secs(), 20);
    assert_eq!(script.written, ["echo a", "close 4002"]);
}

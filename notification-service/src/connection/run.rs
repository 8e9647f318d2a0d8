//! The loop of a connection: the only one that writes to its socket.

use std::{
    cell::Cell,
    pin::{Pin, pin},
    time::Duration,
};

use bytestring::ByteString;
use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use neonchat_common::error::{ApiError, ErrorCode};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{
    close::CloseReason,
    outbox::{Next, Outbox},
    protocol::{Frame, ServerFrame, type_of},
    wire::{Gone, Incoming, Wire},
};
use crate::config::SocketSettings;

/// The longest that saying goodbye takes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that finishing what the client asked for takes: longer than a send is worked on.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);

/// Runs a connection until it ends. Returns why it did. `handle` does what a text frame asks for; `expires` is when the
/// token of the connection does, which `handle` may put off.
///
/// The frames of a client are handled one after another. While one is, and while too many of its sends are unanswered, no
/// further is read: a client that sends faster than its messages can be stored is slowed down by TCP. What others cause is
/// written in the meantime.
pub(crate) async fn run(
    outbox: &Outbox,
    handle: impl AsyncFn(ByteString) -> Option<Frame>,
    mut wire: impl Wire,
    expires: &Cell<Instant>,
    settings: SocketSettings,
) -> CloseReason {
    let reason = serve(outbox, handle, &mut wire, expires, settings).await;
    let goodbye = async {
        if let CloseReason::Restart { after_ms } = reason {
            let _ = wire.send(ServerFrame::Reconnect { after_ms, reason: "restart" }.encode()).await;
        }
        wire.close(reason).await;
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    reason
}

async fn serve(
    outbox: &Outbox,
    handle: impl AsyncFn(ByteString) -> Option<Frame>,
    wire: &mut impl Wire,
    expires: &Cell<Instant>,
    settings: SocketSettings,
) -> CloseReason {
    let mut heartbeat = Heartbeat::new(settings);
    let mut handling = pin!(Fuse::terminated());
    loop {
        let step = tokio::select! {
            answer = &mut handling => Step::Write(answer),
            next = outbox.next() => match next {
                Next::Frame(frame) => Step::Write(Some(frame)),
                Next::Close(reason) => Step::End(reason),
            },
            incoming = wire.receive(), if handling.is_terminated() && outbox.may_send() => {
                heartbeat.heard();
                match incoming {
                    Incoming::Text(text) => {
                        handling.set(handle(text).fuse());
                        Step::Write(None)
                    }
                    Incoming::Binary => Step::Write(Some(not_text())),
                    Incoming::Alive => Step::Write(None),
                    Incoming::Closed(reason) => Step::End(reason),
                }
            }
            beat = heartbeat.next(expires.get()) => match beat {
                Beat::Ping => Step::Ping,
                Beat::Dead => Step::End(CloseReason::Heartbeat),
                Beat::Expired => Step::End(CloseReason::Expired),
            },
        };
        let written = match step {
            Step::Write(None) => continue,
            Step::Write(Some(frame)) => {
                metrics::counter!("websocket_frames_total", "direction" => "out", "type" => type_of(&frame))
                    .increment(1);
                timeout(settings.write_timeout, wire.send(frame)).await
            }
            Step::Ping => timeout(settings.write_timeout, wire.ping()).await,
            Step::End(reason) => {
                let finish = async {
                    let answer = if handling.is_terminated() { None } else { handling.await };
                    finish(outbox, answer, wire, reason).await
                };
                let _ = timeout(FINISH_TIMEOUT, finish).await;
                return reason;
            }
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return CloseReason::Normal,
            Err(_) => return CloseReason::Slow,
        }
    }
}

/// What the client asked for last is still done and answered: it may be messages that are stored already.
async fn finish(outbox: &Outbox, answer: Option<Frame>, wire: &mut impl Wire, reason: CloseReason) -> Result<(), Gone> {
    if let Some(answer) = answer {
        wire.send(answer).await?;
    }
    outbox.close(reason);
    while let Next::Frame(frame) = outbox.next().await {
        wire.send(frame).await?;
    }
    Ok(())
}

enum Step {
    Write(Option<Frame>),
    Ping,
    End(CloseReason),
}

fn not_text() -> Frame {
    ServerFrame::error(
        None,
        &ApiError::new(ErrorCode::BadJson, "Binary frames are not supported. Send JSON in text frames."),
    )
    .encode()
}

/// When to ping, and when to give up.
struct Heartbeat {
    interval: Duration,
    read_timeout: Duration,
    last_heard: Instant,
    next_ping: Instant,
    /// One for the whole connection: to begin and to end a timer around each frame costs more than to let it run.
    timer: Pin<Box<Sleep>>,
}

enum Beat {
    Ping,
    Dead,
    Expired,
}

impl Heartbeat {
    fn new(settings: SocketSettings) -> Self {
        let now = Instant::now();
        let SocketSettings { heartbeat: interval, read_timeout, .. } = settings;
        let timer = Box::pin(sleep_until(now));
        let mut this = Self { interval, read_timeout, last_heard: now, next_ping: now, timer };
        this.schedule(now);
        this
    }

    /// With jitter (80 to 100 % of the interval), so that the pings of thousands of sockets spread out.
    fn schedule(&mut self, now: Instant) {
        self.next_ping = now + self.interval.mul_f64(fastrand::f64().mul_add(0.2, 0.8));
    }

    fn heard(&mut self) {
        self.last_heard = Instant::now();
    }

    async fn next(&mut self, expires: Instant) -> Beat {
        let dead = self.last_heard + self.read_timeout;
        let first = self.next_ping.min(dead).min(expires);
        if self.timer.deadline() != first {
            self.timer.as_mut().reset(first);
        }
        self.timer.as_mut().await;
        let now = Instant::now();
        if now >= expires {
            return Beat::Expired;
        }
        if now >= dead {
            return Beat::Dead;
        }
        self.schedule(now);
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::pending};

    use neonchat_common::ids::ChatId;

    use super::*;

    const SETTINGS: SocketSettings = SocketSettings {
        max_connections: 1,
        max_connections_per_user: 1,
        messages_per_second: 0,
        heartbeat: Duration::from_secs(30),
        read_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_secs(10),
    };

    /// A peer that says what it is told to, then nothing any more.
    #[derive(Default)]
    struct Script {
        says: VecDeque<Incoming>,
        reads: bool,
        written: Vec<String>,
    }

    impl Script {
        fn saying(says: impl IntoIterator<Item = Incoming>) -> Self {
            Self { says: says.into_iter().collect(), reads: true, written: Vec::new() }
        }
    }

    impl Wire for &mut Script {
        async fn receive(&mut self) -> Incoming {
            match self.says.pop_front() {
                Some(incoming) => incoming,
                None => pending().await,
            }
        }

        async fn send(&mut self, frame: Frame) -> Result<(), Gone> {
            if !self.reads {
                pending::<()>().await;
            }
            self.written.push(frame.to_string());
            Ok(())
        }

        async fn ping(&mut self) -> Result<(), Gone> {
            self.written.push("ping".to_owned());
            Ok(())
        }

        async fn close(self, reason: CloseReason) {
            self.written.push(format!("close {}", reason.code().0));
        }
    }

    fn never() -> Cell<Instant> {
        Cell::new(Instant::now() + Duration::from_hours(24))
    }

    async fn echo(text: ByteString) -> Option<Frame> {
        Some(format!("echo {text}").into())
    }

    #[tokio::test(start_paused = true)]
    async fn answers_in_the_order_of_the_frames() {
        let slow_first = async |text: ByteString| {
            tokio::time::sleep(Duration::from_millis(if &*text == "a" { 50 } else { 0 })).await;
            echo(text).await
        };
        let text = |text: &'static str| Incoming::Text(ByteString::from_static(text));
        let mut script = Script::saying([text("a"), text("b"), Incoming::Closed(CloseReason::Normal)]);
        let reason = run(&Outbox::default(), slow_first, &mut script, &never(), SETTINGS).await;
        assert_eq!(reason, CloseReason::Normal);
        assert_eq!(script.written, ["echo a", "echo b", "close 1000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_is_not_text_is_an_error_and_no_end() {
        let mut script = Script::saying([Incoming::Binary, Incoming::Closed(CloseReason::TooBig)]);
        assert_eq!(run(&Outbox::default(), echo, &mut script, &never(), SETTINGS).await, CloseReason::TooBig);
        assert!(script.written[0].contains("bad_json"), "{:?}", script.written);
        assert_eq!(script.written[1], "close 1009");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_peer_is_pinged_and_then_given_up() {
        let mut script = Script::saying([]);
        let started = Instant::now();
        assert_eq!(run(&Outbox::default(), echo, &mut script, &never(), SETTINGS).await, CloseReason::Heartbeat);
        assert_eq!(started.elapsed().as_secs(), SETTINGS.read_timeout.as_secs());
        assert_eq!(script.written, ["ping", "ping", "close 4102"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let mut script = Script { reads: false, ..Script::saying([]) };
        let outbox = Outbox::default();
        outbox.push_durable(ChatId::new(), 1, &"x".into());
        let started = Instant::now();
        assert_eq!(run(&outbox, echo, &mut script, &never(), SETTINGS).await, CloseReason::Slow);
        assert_eq!(started.elapsed().as_secs(), SETTINGS.write_timeout.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_lets_what_is_under_way_finish_and_says_when_to_come_back() {
        let outbox = Outbox::default();
        let drained_meanwhile = async |text: ByteString| {
            outbox.close(CloseReason::Restart { after_ms: 700 });
            tokio::time::sleep(Duration::from_millis(50)).await;
            echo(text).await
        };
        let mut script = Script::saying([Incoming::Text("a".into())]);
        run(&outbox, drained_meanwhile, &mut script, &never(), SETTINGS).await;
        assert_eq!(
            script.written,
            ["echo a", r#"{"type":"reconnect","after_ms":700,"reason":"restart"}"#, "close 4100"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_with_its_token_unless_it_is_renewed() {
        let expires = Cell::new(Instant::now() + Duration::from_secs(5));
        let started = Instant::now();
        let renew = async |text: ByteString| {
            expires.set(started + Duration::from_secs(20));
            echo(text).await
        };
        let mut script = Script::saying([Incoming::Text("a".into())]);
        assert_eq!(run(&Outbox::default(), renew, &mut script, &expires, SETTINGS).await, CloseReason::Expired);
        assert_eq!(started.elapsed().as_secs(), 20);
        assert_eq!(script.written, ["echo a", "close 4002"]);
    }
}

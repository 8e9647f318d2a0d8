//! The loop of a connection: the only one that writes to its socket.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use neonchat_common::error::{ApiError, ErrorCode};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::wire::{Gone, Incoming, Wire};
use crate::{
    close::CloseReason,
    config::SocketSettings,
    hub::outbox::{Next, Outbox},
    protocol::{Frame, ServerFrame},
};

/// The longest that saying goodbye takes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that finishing what the client asked for takes: longer than a send is worked on.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);

/// What the peer of a connection may do.
pub(crate) trait Handler {
    /// Does what a text frame asks for. Returns what is to be answered, if anything.
    async fn text(&self, text: ByteString) -> Option<Frame>;
    /// Counts a frame that is not text.
    ///
    /// # Errors
    /// It came too soon.
    fn count(&self) -> Result<(), ApiError>;
    /// When the token of the connection expires. A text frame may put that off.
    fn expires(&self) -> Instant;
}

/// Runs a connection until it ends. Returns why it did.
///
/// The frames of a client are handled one after another. While one is, and while too many of its sends are unanswered, no
/// further is read: a client that sends faster than its messages can be stored is slowed down by TCP. What others cause is
/// written in the meantime.
pub(crate) async fn run(
    outbox: &Outbox,
    handler: &impl Handler,
    mut wire: impl Wire,
    settings: SocketSettings,
) -> CloseReason {
    let reason = serve(outbox, handler, &mut wire, settings).await;
    let goodbye = async {
        if let CloseReason::Restart { after_ms } = reason {
            let _ = wire.send(ServerFrame::Reconnect { after_ms, reason: "restart" }.encode()).await;
        }
        wire.close(reason).await;
    };
    let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    reason
}

async fn serve(outbox: &Outbox, handler: &impl Handler, wire: &mut impl Wire, settings: SocketSettings) -> CloseReason {
    let mut heartbeat = Heartbeat::new(settings);
    let mut handling = pin!(Fuse::terminated());
    loop {
        let message_begun = wire.message_begun();
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
                        handling.set(handler.text(text).fuse());
                        Step::Write(None)
                    }
                    Incoming::Binary => Step::Write(Some(not_text(handler.count()))),
                    // Where too many come, no more are answered: RFC 6455, section 5.5.3, lets pings share an answer.
                    Incoming::Ping(payload) => handler.count().map_or(Step::Write(None), |()| Step::Pong(payload)),
                    Incoming::Pong => {
                        let _ = handler.count();
                        Step::Write(None)
                    }
                    Incoming::Closed(reason) => Step::End(reason),
                }
            }
            beat = heartbeat.next(handler.expires(), message_begun) => match beat {
                Beat::Ping => Step::Ping,
                Beat::Dead => Step::End(CloseReason::Heartbeat),
                Beat::Expired => Step::End(CloseReason::Expired),
            },
        };
        let written = match step {
            Step::Write(None) => continue,
            Step::Write(Some(frame)) => {
                metrics::counter!("websocket_frames_total", "direction" => "out", "type" => frame.kind()).increment(1);
                timeout(settings.write_timeout, wire.send(frame)).await
            }
            Step::Ping => timeout(settings.write_timeout, wire.ping()).await,
            Step::Pong(payload) => timeout(settings.write_timeout, wire.pong(payload)).await,
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
    Pong(Bytes),
    End(CloseReason),
}

fn not_text(counted: Result<(), ApiError>) -> Frame {
    let error = counted.err().unwrap_or_else(|| {
        ApiError::new(ErrorCode::BadJson, "Binary frames are not supported. Send JSON in text frames.")
    });
    ServerFrame::error(None, &error).encode()
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

    /// `message_begun` is since when the peer has been sending a message that has not ended: other frames that it sends in
    /// between do not put off the end of that.
    async fn next(&mut self, expires: Instant, message_begun: Option<Instant>) -> Beat {
        let dead = message_begun.map_or(self.last_heard, |begun| begun.min(self.last_heard)) + self.read_timeout;
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
mod tests;

//! The loop of a connection, the only code that writes to its socket.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use neonchat_common::error::{ApiError, ErrorCode};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::socket_io::{Disconnected, Incoming, SocketIo};
use crate::{
    close::CloseReason,
    config::SocketSettings,
    hub::outbox::{Next, Outbox},
    protocol::{Frame, ServerFrame},
};

/// How long the closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the client's requests in progress may take at the end: longer than the timeout of a send or change.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);

/// Handles the frames of a client.
pub(crate) trait Handler {
    /// Handles a text frame. Returns the answer, if there is one.
    async fn on_text(&self, text: ByteString) -> Option<Frame>;
    /// Counts a frame that is not text.
    ///
    /// # Errors
    /// Fails if the frame exceeds the rate limit.
    fn on_other(&self) -> Result<(), ApiError>;
    /// Returns when the connection's token expires. A text frame may renew the token.
    fn expires_at(&self) -> Instant;
}

/// Runs a connection until it ends. Returns the reason.
///
/// The frames of a client are handled one after another. No further frame is read while one is handled, or while too many
/// sends and changes are unanswered: TCP slows down a client that sends faster than its messages can be stored. Frames from the outbox
/// are written all the time.
pub(crate) async fn run(
    outbox: &Outbox,
    handler: &impl Handler,
    mut socket: impl SocketIo,
    settings: SocketSettings,
) -> CloseReason {
    let reason = serve(outbox, handler, &mut socket, settings).await;
    if reason == CloseReason::ConnectionLost {
        return reason;
    }
    let close = async {
        if let CloseReason::Restart { after_ms } = reason {
            let _ = socket.send(ServerFrame::Reconnect { after_ms, reason: "restart" }.encode()).await;
        }
        socket.close(reason).await;
    };
    let _ = timeout(CLOSE_TIMEOUT, close).await;
    reason
}

/// Closes a connection whose handshake is refused.
pub(crate) async fn refuse(socket: impl SocketIo, reason: CloseReason) {
    let _ = timeout(CLOSE_TIMEOUT, socket.close(reason)).await;
}

async fn serve(
    outbox: &Outbox,
    handler: &impl Handler,
    socket: &mut impl SocketIo,
    settings: SocketSettings,
) -> CloseReason {
    let mut heartbeat = Heartbeat::new(settings);
    let mut handling = pin!(Fuse::terminated());
    loop {
        let message_started_at = socket.message_started_at();
        let action = tokio::select! {
            answer = &mut handling => Action::write(answer),
            next = outbox.next() => match next {
                Next::Frame(frame) => Action::Write(Output::Frame(frame)),
                Next::Close(reason) => Action::End(reason),
            },
            incoming = socket.receive(), if handling.is_terminated() && outbox.has_request_capacity() => {
                heartbeat.record_received();
                match incoming {
                    Incoming::Text(text) => {
                        handling.set(handler.on_text(text).fuse());
                        Action::Continue
                    }
                    Incoming::Binary => Action::Write(Output::Frame(binary_error(handler.on_other()))),
                    Incoming::Ping(payload) => answer_ping(payload, handler),
                    Incoming::Pong => {
                        let _ = handler.on_other();
                        Action::Continue
                    }
                    Incoming::Closed(reason) => Action::End(reason),
                }
            }
            event = heartbeat.next(handler.expires_at(), message_started_at) => match event {
                HeartbeatEvent::Ping => Action::Write(Output::Ping),
                HeartbeatEvent::TimedOut => Action::End(CloseReason::Heartbeat),
                HeartbeatEvent::TokenExpired => Action::End(CloseReason::Expired),
            },
        };
        match action {
            Action::Continue => {}
            Action::Write(output) => match timeout(settings.write_timeout, write(socket, output)).await {
                Ok(Ok(())) => {}
                Ok(Err(Disconnected)) => return CloseReason::ConnectionLost,
                Err(_) => return CloseReason::Slow,
            },
            Action::End(reason) => {
                let finish = async {
                    let answer = if handling.is_terminated() { None } else { handling.await };
                    finish(outbox, answer, socket, reason).await
                };
                let _ = timeout(FINISH_TIMEOUT, finish).await;
                return reason;
            }
        }
    }
}

/// Answers a ping unless it exceeds the rate limit: RFC 6455, section 5.5.3, lets pings share an answer.
fn answer_ping(payload: Bytes, handler: &impl Handler) -> Action {
    handler.on_other().map_or(Action::Continue, |()| Action::Write(Output::Pong(payload)))
}

async fn write(socket: &mut impl SocketIo, output: Output) -> Result<(), Disconnected> {
    match output {
        Output::Frame(frame) => {
            metrics::counter!("websocket_frames_total", "direction" => "out", "type" => frame.kind()).increment(1);
            socket.send(frame).await
        }
        Output::Ping => socket.ping().await,
        Output::Pong(payload) => socket.pong(payload).await,
    }
}

/// Completes the last frame of the client and its answer: it may concern messages that are stored already.
async fn finish(
    outbox: &Outbox,
    answer: Option<Frame>,
    socket: &mut impl SocketIo,
    reason: CloseReason,
) -> Result<(), Disconnected> {
    if let Some(answer) = answer {
        socket.send(answer).await?;
    }
    outbox.close(reason);
    while let Next::Frame(frame) = outbox.next().await {
        socket.send(frame).await?;
    }
    Ok(())
}

/// The next step of the loop.
enum Action {
    Continue,
    Write(Output),
    End(CloseReason),
}

impl Action {
    fn write(frame: Option<Frame>) -> Self {
        frame.map_or(Self::Continue, |frame| Self::Write(Output::Frame(frame)))
    }
}

/// What is written to the socket.
enum Output {
    Frame(Frame),
    Ping,
    Pong(Bytes),
}

fn binary_error(counted: Result<(), ApiError>) -> Frame {
    let error = counted.err().unwrap_or_else(|| {
        ApiError::new(ErrorCode::BadJson, "Binary frames are not supported. Send JSON in text frames.")
    });
    ServerFrame::error(None, &error).encode()
}

/// Decides when to ping and when the connection has timed out.
struct Heartbeat {
    interval: Duration,
    read_timeout: Duration,
    last_received: Instant,
    next_ping: Instant,
    /// One timer for the whole connection: starting and cancelling a timer around each frame is more expensive.
    timer: Pin<Box<Sleep>>,
}

enum HeartbeatEvent {
    Ping,
    TimedOut,
    TokenExpired,
}

impl Heartbeat {
    fn new(settings: SocketSettings) -> Self {
        let now = Instant::now();
        let SocketSettings { heartbeat: interval, read_timeout, .. } = settings;
        let timer = Box::pin(sleep_until(now));
        let mut this = Self { interval, read_timeout, last_received: now, next_ping: now, timer };
        this.schedule(now);
        this
    }

    /// Schedules the next ping with jitter (80 to 100 % of the interval), so that the pings of thousands of sockets spread out.
    fn schedule(&mut self, now: Instant) {
        self.next_ping = now + self.interval.mul_f64(fastrand::f64().mul_add(0.2, 0.8));
    }

    fn record_received(&mut self) {
        self.last_received = Instant::now();
    }

    /// Waits for the next event. `message_started_at` is when the client began a message that has not ended: other frames that
    /// the client sends in between do not extend the timeout.
    async fn next(&mut self, expires: Instant, message_started_at: Option<Instant>) -> HeartbeatEvent {
        let timeout_at =
            message_started_at.map_or(self.last_received, |begun| begun.min(self.last_received)) + self.read_timeout;
        let first = self.next_ping.min(timeout_at).min(expires);
        if self.timer.deadline() != first {
            self.timer.as_mut().reset(first);
        }
        self.timer.as_mut().await;
        let now = Instant::now();
        if now >= expires {
            return HeartbeatEvent::TokenExpired;
        }
        if now >= timeout_at {
            return HeartbeatEvent::TimedOut;
        }
        self.schedule(now);
        HeartbeatEvent::Ping
    }
}

#[cfg(test)]
mod tests;

//! Fan-out of a message to a thousand sockets of one chat.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use uuid::Uuid;

use super::{
    Measured, Options,
    env::Env,
    generator::{
        TEXT_LENGTH,
        connections::{Connections, FrameHandler},
        frame::{self, ServerEvent, Template},
        socket::Socket,
    },
    percentiles::Percentiles,
    report::{Bound, Figure, ms},
    usage::Cpu,
};

const NAME: &str = "fan-out";

/// The number of sockets that receive each message, without the sender.
const SOCKETS: usize = 1000;

/// The number of measured messages. One more is sent before, as warm-up.
const MESSAGES: u64 = 20;

/// The pause before each message.
const SETTLE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// The longest until a message has reached all sockets.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Measures the scenario. Each member of the chat has half of the sockets.
///
/// # Errors
/// A process does not start or ends, or a message does not reach all sockets.
pub(crate) async fn measure(options: &Options) -> Measured {
    let env = Env::start(1, options.logs.as_deref()).await?;
    println!("{NAME}: {MESSAGES} messages to {SOCKETS} sockets each");
    let population = env.pairs(1).await?;
    let (address, chat) = (env.websocket(), population.pairs[0].chat);
    let tokens: Vec<_> = population.tokens().into_iter().cycle().take(SOCKETS + 1).collect();
    let processes = env.processes()?;
    let crowd = tokio::task::spawn_blocking(move || {
        let (mut connections, mut crowd) = (Connections::new()?, Crowd::new(chat));
        connections.open_all(address, &tokens, &mut crowd)?;
        wait(SETTLE, &mut connections, &mut crowd)?;
        crowd.round(&mut connections)?;
        wait(PAUSE, &mut connections, &mut crowd)?;
        let sample = || Cpu::of(&processes, Some(nix::unistd::gettid().as_raw()));
        let before = sample()?;
        let mut rounds = Vec::new();
        for _ in 0..MESSAGES {
            rounds.push(crowd.round(&mut connections)?);
            wait(PAUSE, &mut connections, &mut crowd)?;
        }
        anyhow::Ok((rounds, sample()?.since(before), crowd.stray))
    });
    let (rounds, cpu, stray) = crowd.await?.context(NAME)?;
    env.stop().await?;

    let spread = Percentiles::of(rounds.iter().map(|round| round.last.saturating_sub(round.first)));
    let all = Percentiles::of(rounds.iter().map(|round| round.last));
    let each = |time: Duration| ms(time) / f64::from(u32::try_from(MESSAGES).unwrap_or(u32::MAX));
    let figures = vec![
        Figure::new(NAME, "last socket after the first, p50", ms(spread.p50), "ms"),
        Figure::new(NAME, "last socket after the first, p95", ms(spread.p95), "ms").target(Some(Bound::AtMost(20.0))),
        Figure::new(NAME, "last socket after the first, max", ms(spread.max), "ms"),
        Figure::new(NAME, "from the send to the last socket, p50", ms(all.p50), "ms"),
        Figure::new(NAME, "server CPU a message", each(cpu.servers()), "ms"),
        Figure::new(NAME, "generator CPU a message", each(cpu.generator), "ms"),
    ];
    Ok((figures, (stray > 0).then(|| format!("{NAME}: {stray} unexpected frames"))))
}

/// The delivery times of a message, since it was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    first: Duration,
    last: Duration,
    received: usize,
    acked: bool,
}

/// The receivers.
struct Crowd {
    chat: Uuid,
    template: Template,
    /// The number of the next message.
    next: u64,
    /// The number of messages that each socket has received.
    got: Vec<u64>,
    sent: Instant,
    round: Round,
    /// The number of duplicate, misdirected or unexpected frames.
    stray: usize,
}

impl Crowd {
    fn new(chat: Uuid) -> Self {
        let (template, got) = (Template::new(TEXT_LENGTH), vec![0; SOCKETS + 1]);
        Self { chat, template, next: 0, got, sent: Instant::now(), round: Round::default(), stray: 0 }
    }

    /// Sends a message on the first socket and waits until all others have received it.
    fn round(&mut self, connections: &mut Connections) -> anyhow::Result<Round> {
        self.round = Round::default();
        self.sent = Instant::now();
        connections.sockets[0].write(self.template.message(self.chat, self.next))?;
        while self.round.received < SOCKETS || !self.round.acked {
            connections.turn(self)?;
            ensure!(
                self.sent.elapsed() < TIMEOUT,
                "a message reached only {} of {SOCKETS} sockets",
                self.round.received
            );
        }
        self.next += 1;
        Ok(self.round)
    }
}

impl FrameHandler for Crowd {
    fn on_text(&mut self, socket: usize, payload: &[u8], _: &mut [Socket]) -> anyhow::Result<()> {
        match frame::read(payload) {
            ServerEvent::Acked(number) if socket == 0 && number == self.next => self.round.acked = true,
            ServerEvent::Delivered(number) if socket != 0 && number == self.next && self.got[socket] == number => {
                self.got[socket] += 1;
                self.round.received += 1;
                self.round.last = self.sent.elapsed();
                if self.round.received == 1 {
                    self.round.first = self.round.last;
                }
            }
            ServerEvent::Ignored => {}
            _ => self.stray += 1,
        }
        Ok(())
    }
}

fn wait(time: Duration, connections: &mut Connections, handler: &mut impl FrameHandler) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        connections.wake_after(end.saturating_duration_since(Instant::now()))?;
        connections.turn(handler)?;
    }
    Ok(())
}
